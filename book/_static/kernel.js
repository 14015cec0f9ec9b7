// Slide a 3 x 3 kernel over a digit (chapter 3). The picture above it is what stays without scripts.
const SIDE = 28, SCALE = 7;
const KERNELS = {
  "vertical edges": [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  "horizontal edges": [-1, -2, -1, 0, 0, 0, 1, 2, 1],
  blur: Array(9).fill(1 / 9),
  "the pixel itself": [0, 0, 0, 0, 1, 0, 0, 0, 0],
};

// The sum of the nine products at one place; row by row, as everywhere in this file.
function product(image, kernel, row, column) {
  let sum = 0;
  for (let a = 0; a < 3; a++)
    for (let b = 0; b < 3; b++)
      sum += kernel[3 * a + b] * image[SIDE * (row + a) + column + b];
  return sum;
}

function convolve(image, kernel) {
  const output = [];
  for (let row = 0; row <= SIDE - 3; row++)
    for (let column = 0; column <= SIDE - 3; column++)
      output.push(product(image, kernel, row, column));
  return output;
}

// Purple above zero, orange below, white at zero: the colours of the figures above.
function colour(value, limit) {
  const share = Math.min(1, Math.abs(value) / limit);
  const end = value > 0 ? [84, 39, 136] : [179, 88, 6];
  return `rgb(${end.map((part) => Math.round(255 + (part - 255) * share))})`;
}

const kernelBox = document.getElementById("demo-kernel");
const digit = kernelBox.dataset.image.match(/../g).map((pair) => parseInt(pair, 16) / 255);
kernelBox.innerHTML = `<p class="demo-title">Try it: slide the kernel</p>
<div class="demo-row">
<figure><canvas id="kernel-image" width="${SIDE * SCALE}" height="${SIDE * SCALE}"></canvas>
<figcaption>the image: point, or use the sliders</figcaption></figure>
<figure><div class="kernel-numbers" role="group" aria-label="The nine numbers of the kernel">
${Array.from({ length: 9 }, (_, place) => `<input type="number" step="0.5"
 aria-label="Kernel, row ${Math.floor(place / 3) + 1}, column ${(place % 3) + 1}">`).join("")}</div>
<figcaption>the kernel: change its numbers</figcaption></figure>
<figure><canvas id="kernel-output" width="${(SIDE - 2) * SCALE}" height="${(SIDE - 2) * SCALE}"></canvas>
<figcaption>the output</figcaption></figure>
</div>
<div class="demo-controls">
<label>Kernel <select>${Object.keys(KERNELS).map((name) => `<option>${name}</option>`).join("")}
<option>your own</option></select></label>
<label>Row <input type="range" id="kernel-row" min="0" max="${SIDE - 3}" value="8"></label>
<label>Column <input type="range" id="kernel-column" min="0" max="${SIDE - 3}" value="8"></label>
</div>
<output></output>`;
const [imageCanvas, outputCanvas] = kernelBox.querySelectorAll("canvas");
const numbers = [...kernelBox.querySelectorAll("input[type=number]")];
const choice = kernelBox.querySelector("select");
const [rowSlider, columnSlider] = kernelBox.querySelectorAll("input[type=range]");
imageCanvas.setAttribute("role", "img");
outputCanvas.setAttribute("role", "img");
imageCanvas.setAttribute("aria-label", "A handwritten digit, with a frame of 3 by 3 pixels on it.");
outputCanvas.setAttribute("aria-label", "What the kernel makes of the digit: purple is above zero, orange below.");

function paint(canvas, values, side, fill) {
  const pen = canvas.getContext("2d");
  values.forEach((value, place) => {
    pen.fillStyle = fill(value);
    pen.fillRect((place % side) * SCALE, Math.floor(place / side) * SCALE, SCALE, SCALE);
  });
  return pen;
}

function frame(pen, row, column, side) {
  for (const [style, width] of [["#000", 5], ["#e69f00", 3]]) {
    pen.strokeStyle = style;
    pen.lineWidth = width;
    pen.strokeRect(column * SCALE, row * SCALE, side * SCALE, side * SCALE);
  }
}

function drawKernel() {
  const kernel = numbers.map((field) => Number(field.dataset.exact ?? field.value));
  const row = Number(rowSlider.value), column = Number(columnSlider.value);
  const output = convolve(digit, kernel);
  frame(paint(imageCanvas, digit, SIDE, (v) => `rgb(${Array(3).fill(Math.round(255 * v))})`), row, column, 3);
  frame(paint(outputCanvas, output, SIDE - 2, (v) => colour(v, 4)), row, column, 1);
  numbers.forEach((field, place) => {
    field.style.backgroundColor = colour(kernel[place], 8);
  });
  const sum = product(digit, kernel, row, column);
  kernelBox.querySelector("output").textContent =
    `Row ${row}, column ${column}: the nine products add up to ${(Math.round(100 * sum) / 100 + 0).toFixed(2)}.`;
}

function choose() {
  const kernel = KERNELS[choice.value];
  if (!kernel) return;
  numbers.forEach((field, place) => {
    field.value = Math.round(100 * kernel[place]) / 100;
    field.dataset.exact = kernel[place];
  });
  drawKernel();
}

function point(event) {
  if (event.type === "pointermove" && event.pointerType === "touch" && !event.buttons) return;
  const box = imageCanvas.getBoundingClientRect();
  const at = (offset, size) =>
    Math.max(0, Math.min(SIDE - 3, Math.floor((offset / size) * SIDE) - 1));
  rowSlider.value = at(event.clientY - box.top, box.height);
  columnSlider.value = at(event.clientX - box.left, box.width);
  drawKernel();
}

choice.addEventListener("change", choose);
for (const slider of [rowSlider, columnSlider]) slider.addEventListener("input", drawKernel);
for (const kind of ["pointerdown", "pointermove"]) imageCanvas.addEventListener(kind, point);
for (const field of numbers) {
  field.addEventListener("input", () => {
    delete field.dataset.exact;
    choice.value = "your own";
    drawKernel();
  });
}
choose();
