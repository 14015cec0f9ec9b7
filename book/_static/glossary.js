// A box above the glossary that leaves only the terms with the typed words. Enter goes to the best.
// Without this script, the page is the whole list, with its bar of letters.
const terms = [...document.querySelectorAll("#glossary section section")];
const letters = [...document.querySelectorAll("#glossary > section")];
const bar = document.querySelector("nav.letters");
const box = document.createElement("div");
box.className = "glossary-filter";
box.innerHTML = `<label for="filter">Find a term</label>
<input type="search" id="filter" autocomplete="off" spellcheck="false">
<span aria-live="polite"></span>`;
bar.before(box);
const field = box.querySelector("input");
const count = box.querySelector("span");

function filter() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = terms.filter((term) => {
    const text = term.textContent.toLowerCase();
    term.hidden = !words.every((word) => text.includes(word));
    return !term.hidden;
  });
  for (const letter of letters) {
    letter.hidden = [...letter.querySelectorAll("section")].every((term) => term.hidden);
  }
  bar.hidden = words.length > 0;
  count.textContent = words.length ? `${found.length} of ${terms.length} terms` : "";
  return found;
}

field.addEventListener("input", filter);
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  const found = filter();
  const typed = field.value.trim().toLowerCase();
  const named = found.find((term) => term.textContent.trim().toLowerCase().startsWith(typed));
  if (found.length) location.hash = (named ?? found[0]).id;
});
