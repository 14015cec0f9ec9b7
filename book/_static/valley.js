// A walk down the valley of chapter 4, with a learning rate and a momentum of one's own choice.
// The figure above it is what stays without scripts.
const CURVATURE = [0.2, 20], START = [-4, 1], STEPS = 50;
const LEFT = -4.6, RIGHT = 2.6, TOP = 1.6, ZOOM = 100; // the part that the figures show

function loss(w) {
  return (CURVATURE[0] * w[0] ** 2 + CURVATURE[1] * w[1] ** 2) / 2;
}

// The weights after every step: v <- mu v + g, w <- w - lr v.
function walk(lr, mu, steps = STEPS) {
  let w = START, v = [0, 0];
  const path = [w];
  for (let step = 0; step < steps; step++) {
    v = v.map((part, i) => mu * part + CURVATURE[i] * w[i]);
    w = w.map((part, i) => part - lr * v[i]);
    path.push(w);
  }
  return path;
}

const valleyBox = document.getElementById("demo-valley");
valleyBox.innerHTML = `<p class="demo-title">Try it: find a rate and a momentum</p>
<canvas width="${(RIGHT - LEFT) * ZOOM}" height="${2 * TOP * ZOOM}" role="img"
 aria-label="The valley from above, with the path of fifty steps from the start to the left."></canvas>
<div class="demo-controls">
<label>Learning rate <input type="range" id="valley-lr" min="0.001" max="0.2" step="0.001" value="0.02">
<span></span></label>
<label>Momentum <input type="range" id="valley-mu" min="0" max="0.99" step="0.01" value="0">
<span></span></label>
</div>
<output></output>`;
const valleyCanvas = valleyBox.querySelector("canvas");
const [rate, share] = valleyBox.querySelectorAll("input");
let lowest = null;

function drawValley() {
  const lr = Number(rate.value), mu = Number(share.value), path = walk(lr, mu);
  const pen = valleyCanvas.getContext("2d");
  const x = (w) => (w[0] - LEFT) * ZOOM, y = (w) => (TOP - w[1]) * ZOOM;
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, valleyCanvas.width, valleyCanvas.height);
  pen.lineWidth = 1;
  pen.strokeStyle = "#999";
  for (const level of [0.05, 0.3, 1, 2.5, 5, 9, 14, 20]) {
    const [wide, high] = CURVATURE.map((c) => Math.sqrt((2 * level) / c) * ZOOM);
    pen.beginPath();
    pen.ellipse(x([0, 0]), y([0, 0]), wide, high, 0, 0, 2 * Math.PI);
    pen.stroke();
  }
  pen.strokeStyle = pen.fillStyle = "#d55e00";
  pen.lineWidth = 2;
  pen.beginPath();
  for (const w of path) pen.lineTo(x(w), y(w));
  pen.stroke();
  for (const w of path) {
    pen.beginPath();
    pen.arc(x(w), y(w), 4, 0, 2 * Math.PI);
    pen.fill();
  }
  pen.fillStyle = "#000";
  pen.font = "28px sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText("★", x([0, 0]), y([0, 0]));

  const end = path.at(-1), reached = loss(end);
  const number = (value) => (Math.abs(value) < 1e4 ? value.toFixed(3) : value.toExponential(1));
  rate.nextElementSibling.textContent = lr.toFixed(3);
  share.nextElementSibling.textContent = mu.toFixed(2);
  if (!lowest || reached < lowest.reached) lowest = { reached, lr, mu };
  valleyBox.querySelector("output").textContent =
    `After ${STEPS} steps: flat weight ${number(end[0])}, steep weight ${number(end[1])}, ` +
    `loss ${number(reached)}. Lowest so far: ${number(lowest.reached)}, at rate ` +
    `${lowest.lr.toFixed(3)} and momentum ${lowest.mu.toFixed(2)}.`;
}

for (const slider of [rate, share]) slider.addEventListener("input", drawValley);
drawValley();
