// The gallery: what a point is, the same model in all pictures, and who fits a budget of seconds.
// Pictures, links and table stand on the page without this script.
const gallery = document.getElementById("gallery");
const points = [...gallery.querySelectorAll("a[data-letter]")];
const models = [...document.querySelectorAll(".gallery-table tbody tr")];
gallery.insertAdjacentHTML("afterbegin", `<p class="demo-title">Which model for my seconds?</p>
<div class="demo-controls"><label>At most
<input type="range" id="gallery-seconds" min="0.5" max="3.6" step="0.05" value="3.6">
<span></span></label></div><output></output>`);
const budget = gallery.querySelector("input"), said = gallery.querySelector("output");
const letterOf = (row) => row.id.replace("model-", "");
const column = (row, place) => row.children[place].textContent;

// The most accurate model of each data set that trains in at most so many seconds.
function best(seconds) {
  const winners = {};
  for (const row of models) {
    const accuracy = parseFloat(column(row, 3)), data = column(row, 2);
    if (!row.dataset.seconds || row.dataset.seconds > seconds || !accuracy) continue;
    if (!(accuracy <= parseFloat(winners[data] && column(winners[data], 3)))) winners[data] = row;
  }
  return winners;
}

function choose() {
  const seconds = 10 ** budget.value, winners = Object.entries(best(seconds));
  budget.nextElementSibling.textContent = `${Math.round(seconds).toLocaleString("en")} s`;
  for (const row of models) {
    const out = Number(row.dataset.seconds) > seconds;
    row.classList.toggle("too-long", out);
    for (const point of points) {
      if (point.dataset.letter === letterOf(row)) point.classList.toggle("too-long", out);
    }
  }
  mark(winners.map(([, row]) => letterOf(row)));
  said.textContent = winners.map(([data, row]) =>
    `${data}: ${letterOf(row)}, ${row.querySelector("a").textContent}, ${column(row, 3)}`).join(". ") ||
    "Nothing trains so fast.";
}

// Show the models with these letters in all pictures and in the table.
function mark(letters) {
  for (const item of [...points, ...models]) {
    item.classList.toggle("marked", letters.includes(item.dataset.letter ?? letterOf(item)));
  }
}

for (const point of points) {
  for (const event of ["mouseenter", "focus"]) {
    point.addEventListener(event, () => {
      mark([point.dataset.letter]);
      said.textContent = point.getAttribute("aria-label");
    });
  }
  for (const event of ["mouseleave", "blur"]) point.addEventListener(event, choose);
}
budget.addEventListener("input", choose);
choose();
