// The live page: a drawing or a photograph, and what a network makes of it. pixels.js prepares the
// pictures; onnxruntime-web runs the networks, in this browser, from files of this site.
const NO_DIGIT = LIVE.noDigit, PAGE = 280, MOST_MAPS = 32;
const LATER = 3000; // milliseconds: what is not urgent waits until somebody may have drawn
const KINDS = { 1: "digits", 3: "pictures" };
const HOW = "Export it with export.py, as chapter 8 shows.";

const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
const make = (html) => {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content;
};

// ---- Networks ---------------------------------------------------------------------------------

// What is written beside the network in an ONNX file: entries of field 14, each a key (1) and a
// value (2). The file is a row of fields; a field is its number and, for what we look for, a length.
function metadata(bytes) {
  const found = {};
  for (const [number, entry] of fieldsOf(bytes)) {
    if (number !== 14) continue;
    const parts = Object.fromEntries(fieldsOf(entry));
    const text = (part) => new TextDecoder().decode(part ?? new Uint8Array());
    found[text(parts[1])] = text(parts[2]);
  }
  return found;
}

function fieldsOf(bytes) {
  const found = [];
  let at = 0;
  const number = () => {
    let value = 0, factor = 1, byte;
    do {
      if (at >= bytes.length) throw new Error("cut off");
      byte = bytes[at++];
      value += (byte & 127) * factor;
      factor *= 128;
    } while (byte > 127);
    return value;
  };
  while (at < bytes.length) {
    const tag = number(), kind = tag & 7;
    if (kind === 0) number();
    else if (kind === 1 || kind === 5) at += kind === 1 ? 8 : 4;
    else if (kind === 2) {
      const length = number();
      if (at + length > bytes.length) throw new Error("cut off");
      found.push([Math.floor(tag / 8), bytes.subarray(at, at + length)]);
      at += length;
    } else throw new Error("no such kind");
  }
  return found;
}

let runtime; // a promise of onnxruntime-web

function loadRuntime() {
  runtime ??= import(new URL(`${LIVE.runtime}ort.wasm.min.mjs`, location.href)).then((ort) => {
    ort.env.wasm.numThreads = 1; // more need headers that a plain server does not send
    ort.env.wasm.wasmPaths = new URL(LIVE.runtime, location.href).href;
    return ort;
  });
  return runtime;
}

// A network out of the bytes of an ONNX file. What cannot be used is an error in one line.
async function openNetwork(bytes, name) {
  const refuse = (why) => {
    throw new Error(`${name} cannot be used: ${why}`);
  };
  let said;
  try {
    said = metadata(bytes);
  } catch {
    refuse(`it is no ONNX file. ${HOW}`);
  }
  const ort = await loadRuntime();
  let session;
  try {
    session = await ort.InferenceSession.create(bytes);
  } catch (error) {
    const why = String(error.message ?? error).replace(/\s+/g, " ");
    if (/external/i.test(why))
      refuse(`its weights are in a second file. Put both into one with external_data=False. ${HOW}`);
    refuse(`it is no ONNX file, or one that the runtime does not know (${why.slice(0, 120)}). ${HOW}`);
  }
  const input = session.inputMetadata[0], { outputNames } = session;
  if (session.inputNames.join() !== "images" || !outputNames.includes("logits"))
    refuse(`its input should be called images and an output logits; they are called ` +
      `${session.inputNames.join(", ")} and ${outputNames.join(", ")}. ${HOW}`);
  const [, channels, height, width] = input.shape ?? [];
  const fits = input.type === "float32" && input.shape.length === 4 &&
    (channels === 1 ? height === D.FIELD && width === D.FIELD
      : channels === 3 && [height, width].every((side) => side >= 8 && side <= 1024));
  if (!fits)
    refuse(`it takes ${input.type} ${(input.shape ?? []).join(" x ")}; this page has float32 ` +
      `N x 1 x ${D.FIELD} x ${D.FIELD} (digits) or N x 3 x height x width (photographs). ${HOW}`);
  let classes;
  try {
    classes = JSON.parse(said.classes);
  } catch {
    classes = null;
  }
  if (!Array.isArray(classes) || classes.length < 2 || !classes.every((c) => typeof c === "string"))
    refuse(`its metadata has no list of names called classes. ${HOW}`);
  const maps = ["features_1", "features_2"].filter((map) => outputNames.includes(map));
  const network = { session, classes, channels, height, width, maps, bytes: bytes.length,
    title: said.title || name };
  let count;
  try {
    count = (await ask(network, new Uint8Array(channels * height * width))).logits.length;
  } catch (error) {
    refuse(`it does not run (${String(error.message ?? error).slice(0, 120)}). ${HOW}`);
  }
  if (count !== classes.length)
    refuse(`it has ${classes.length} names for ${count} answers. ${HOW}`);
  return network;
}

// What the network answers to bytes, channel after channel: logits, and its feature maps.
async function ask(network, bytes) {
  const { Tensor } = await loadRuntime();
  const { channels, height, width } = network;
  const images = Float32Array.from(bytes, (value) => value / 255);
  const input = new Tensor("float32", images, [1, channels, height, width]);
  const answer = await network.session.run({ images: input }, ["logits", ...network.maps]);
  const maps = network.maps.map((name) => answer[name]);
  return { logits: answer.logits.data, maps };
}

function softmax(logits) {
  const highest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

// ---- A panel: the picture that is seen, the probabilities, the feature maps -------------------

class Panel {
  constructor(place, seenText) {
    this.place = place;
    place.querySelector(".live-answer").append(make(`<output aria-live="off"></output>
<span class="visually-hidden" role="status"></span>
<figure class="live-seen"><canvas role="img" width="${D.FIELD}" height="${D.FIELD}"></canvas>
<figcaption></figcaption></figure><ol class="live-bars"></ol>`));
    place.append(make(`<div class="live-maps"></div><p class="live-note"></p>`));
    this.verdict = place.querySelector("output");
    this.seen = place.querySelector(".live-seen canvas");
    this.seenText = seenText;
    this.say("");
    this.showSeen(null, D.FIELD, D.FIELD, "");
  }

  say(text, isWrong = false) {
    this.verdict.textContent = text;
    this.verdict.classList.toggle("live-wrong", isWrong);
  }

  // A screen reader says what is found when the pen is lifted, not at every step of it.
  speak() {
    this.place.querySelector("[role=status]").textContent = this.verdict.textContent;
  }

  use(network) {
    this.network = network;
    this.place.querySelector(".live-bars").replaceChildren(make(network.classes.map(() =>
      `<li><span class="live-name"></span><span class="live-track"><span></span></span>` +
      `<span class="live-share"></span></li>`).join("")));
    this.bars = [...this.place.querySelectorAll(".live-bars li")];
    this.bars.forEach((bar, place) => {
      bar.firstChild.textContent = network.classes[place];
    });
    this.place.querySelector(".live-maps").replaceChildren(make(network.maps.map(() =>
      `<figure hidden><canvas role="img"></canvas><figcaption></figcaption></figure>`).join("")));
    this.mapCanvases = [...this.place.querySelectorAll(".live-maps canvas")];
    this.showNothing();
  }

  // The picture that goes into the network: bytes, one or three for each pixel.
  showSeen(pixels, height, width, caption) {
    Object.assign(this.seen, { width, height });
    const image = new ImageData(width, height), step = pixels ? pixels.length / width / height : 0;
    for (let place = 0; place < width * height; place++)
      for (let channel = 0; channel < 4; channel++)
        image.data[4 * place + channel] = channel === 3 ? 255
          : pixels ? pixels[step * place + (step === 3 ? channel : 0)] : 0;
    this.seen.getContext("2d").putImageData(image, 0, 0);
    this.seen.setAttribute("aria-label", `${this.seenText}, ${height} x ${width} pixels`);
    this.place.querySelector(".live-seen figcaption").textContent = caption;
  }

  showNothing() {
    this.shares = null;
    for (const bar of this.bars ?? []) {
      bar.children[1].firstChild.style.width = "0";
      bar.lastChild.textContent = "";
      bar.classList.remove("live-best");
    }
    for (const canvas of this.mapCanvases ?? [])
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }

  // Ask about bytes, channel after channel; one line says what is found.
  async show(bytes) {
    const { logits, maps } = await ask(this.network, bytes);
    if (!logits.every(Number.isFinite)) {
      this.showNothing();
      return this.say("The answers of this network are not finite numbers: it cannot be used.", true);
    }
    this.shares = softmax(logits);
    const best = this.shares.indexOf(Math.max(...this.shares));
    this.bars.forEach((bar, place) => {
      bar.children[1].firstChild.style.width = `${100 * this.shares[place]}%`;
      bar.lastChild.textContent = percent(this.shares[place]);
      bar.classList.toggle("live-best", place === best);
    });
    maps.forEach((map, place) => this.showMaps(map, this.mapCanvases[place], place));
    const name = this.network.classes[best], share = percent(this.shares[best]);
    if (name === NO_DIGIT) this.say(`This is no digit (${share}).`);
    else if (this.shares[best] < LIVE.unsure) this.say(`Unsure: perhaps ${name} (${share}).`);
    else this.say(`${name} (${share})`);
  }

  // Side by side; white is the largest number of the layer.
  showMaps({ data, dims }, canvas, place) {
    const [, channels, height, width] = dims, count = Math.min(channels, MOST_MAPS), across = 8;
    const down = Math.ceil(count / across), highest = lowestAndHighest(data)[1] || 1;
    const whole = [across * (width + 1) - 1, down * (height + 1) - 1];
    if (canvas.width !== whole[0] || canvas.height !== whole[1]) {
      [canvas.width, canvas.height] = whole;
      canvas.parentNode.hidden = false;
      canvas.setAttribute("aria-label", `${count} feature maps: where each of them found its pattern`);
      canvas.nextSibling.textContent = `Layer ${place + 1}: ${count} of ${channels} feature maps, ` +
        `${height} x ${width}; white: here is what this map looks for`;
    }
    const image = new ImageData(...whole);
    for (let map = 0; map < count; map++) {
      const top = Math.floor(map / across) * (height + 1), left = (map % across) * (width + 1);
      for (let row = 0; row < height; row++)
        for (let column = 0; column < width; column++) {
          const value = data[(map * height + row) * width + column] / highest;
          const at = 4 * ((top + row) * whole[0] + left + column);
          image.data.fill(Math.max(0, 255 * value), at, at + 3);
          image.data[at + 3] = 255;
        }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  note() {
    const { title, bytes, classes } = this.network;
    const last = this.took ? ` The last answer took ${this.took.toFixed(1)} ms.` : "";
    this.place.querySelector(".live-note").textContent =
      `Network: ${title}, ${classes.length} classes, ${megabytes(bytes)}.${last}`;
  }
}

// Only the newest question is asked: while one is answered, the others wait, and the last is left.
function newestOnly(panel, work) {
  let isWanted = false, running = null;
  const run = async () => {
    panel.place.setAttribute("aria-busy", "true");
    try {
      while (isWanted) {
        isWanted = false;
        const start = performance.now();
        await work();
        if (panel.shares)
          panel.took = performance.measure("live-answer", { start, end: performance.now() }).duration;
      }
    } finally {
      running = null;
      panel.place.setAttribute("aria-busy", "false");
    }
  };
  return () => {
    isWanted = true;
    running ??= run();
    return running;
  };
}

// ---- Drawing ------------------------------------------------------------------------------------

const digitsPlace = document.getElementById("live-digits");
digitsPlace.replaceChildren(make(`<div class="live-row"><div class="live-input">
<div class="live-paper"><canvas id="live-drawing" width="${PAGE}" height="${PAGE}" tabindex="0"
 role="application" aria-label="Paper to draw one digit on" aria-describedby="live-keys"></canvas>
<span class="live-pen" hidden></span></div>
<div class="live-buttons"><button type="button" id="live-undo">Undo</button>
<button type="button" id="live-clear">Clear</button>
<label>Pen <input type="range" id="live-width" min="4" max="40" value="18"></label></div>
</div><div class="live-answer"></div></div>`));
const digits = new Panel(digitsPlace, "What the network sees of the drawing");
digitsPlace.append(make(`<p id="live-keys" class="live-note">On the paper, arrow keys move the pen,
space sets it down and lifts it, backspace is undo, and delete clears.</p>`));
const paper = document.getElementById("live-drawing");
const ink = paper.getContext("2d", { willReadFrequently: true });
const penMark = digitsPlace.querySelector(".live-pen");
let strokes = [], stroke = null, pointer = null;
const pen = { x: PAGE / 2, y: PAGE / 5, isDown: false, keys: new Set() };

function drawFrom(line, first) {
  const points = line.points.slice(Math.max(0, first - 1));
  Object.assign(ink, { lineWidth: line.width, lineCap: "round", lineJoin: "round", strokeStyle: "#000" });
  ink.beginPath();
  ink.moveTo(...points[0]);
  for (const point of points) ink.lineTo(...point);
  ink.stroke();
}

function drawAll() {
  ink.fillStyle = "#fff";
  ink.fillRect(0, 0, PAGE, PAGE);
  for (const line of strokes) drawFrom(line, 0);
}

function begin(point) {
  stroke = { width: Number(document.getElementById("live-width").value), points: [] };
  strokes.push(stroke);
  goOn([point]);
}

function goOn(points) {
  const first = stroke.points.length;
  stroke.points.push(...points);
  drawFrom(stroke, first);
  lookAtDrawing();
}

function end() {
  stroke = null;
  lookAtDrawing().then(() => digits.speak());
}

const lookAtDrawing = newestOnly(digits, async () => {
  const { data } = ink.getImageData(0, 0, PAGE, PAGE);
  const { pixels, readAs } = readDigit({ pixels: data, width: PAGE, height: PAGE });
  digits.showSeen(pixels, D.FIELD, D.FIELD, pixels ? `seen: ${readAs}` : "nothing to see");
  if (!pixels) {
    digits.showNothing();
    if (digits.network)
      digits.say(strokes.length ? `This is ${readAs}.` : "Draw a digit.");
    return;
  }
  if (digits.network) {
    await digits.show(pixels);
    digits.note();
  }
});

function undo() {
  pen.isDown = false;
  stroke = null;
  strokes.pop();
  drawAll();
  markPen();
  lookAtDrawing();
}

function clear() {
  strokes = [];
  undo();
}

function placeOf(event) {
  const box = paper.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * PAGE, ((event.clientY - box.top) / box.height) * PAGE];
}

paper.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || pointer !== null) return;
  pointer = event.pointerId;
  paper.setPointerCapture(pointer);
  pen.isDown = false;
  penMark.hidden = true;
  begin(placeOf(event));
});
paper.addEventListener("pointermove", (event) => {
  if (event.pointerId !== pointer) return;
  const all = event.getCoalescedEvents?.() ?? [];
  goOn((all.length ? all : [event]).map(placeOf));
});
for (const kind of ["pointerup", "pointercancel"])
  paper.addEventListener(kind, (event) => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    end();
  });

function markPen() {
  penMark.hidden = document.activeElement !== paper || !penMark.dataset.used;
  penMark.style.left = `${(100 * pen.x) / PAGE}%`;
  penMark.style.top = `${(100 * pen.y) / PAGE}%`;
  penMark.classList.toggle("live-down", pen.isDown);
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
paper.addEventListener("keydown", (event) => {
  const { key } = event;
  if (key in ARROWS) {
    pen.keys.add(key); // two arrows at once go aslant
    for (const held of pen.keys) {
      pen.x = Math.min(PAGE, Math.max(0, pen.x + 7 * ARROWS[held][0]));
      pen.y = Math.min(PAGE, Math.max(0, pen.y + 7 * ARROWS[held][1]));
    }
    if (pen.isDown) goOn([[pen.x, pen.y]]);
  } else if (key === " ") {
    pen.isDown = !pen.isDown;
    if (pen.isDown) begin([pen.x, pen.y]);
    else end();
  } else if (key === "Backspace" || (key === "z" && (event.ctrlKey || event.metaKey))) undo();
  else if (key === "Delete") clear();
  else return;
  penMark.dataset.used = "yes";
  markPen();
  event.preventDefault();
});
paper.addEventListener("keyup", ({ key }) => pen.keys.delete(key));
paper.addEventListener("blur", () => {
  pen.keys.clear();
  if (pen.isDown) end();
  pen.isDown = false;
  markPen();
});
document.getElementById("live-undo").addEventListener("click", undo);
document.getElementById("live-clear").addEventListener("click", clear);
drawAll();

// ---- Photographs --------------------------------------------------------------------------------

const picturesPlace = document.getElementById("live-pictures");
picturesPlace.replaceChildren(make(`<div class="live-row"><div class="live-input">
<div class="live-paper live-drop"><canvas id="live-photo" role="img" width="${PAGE}" height="${PAGE}"
 aria-label="No photograph yet"></canvas></div>
<label class="live-file">Choose a photograph <input type="file" id="live-photo-file" accept="image/*">
</label><p class="live-keys">Or drop one anywhere on this page. It stays in your browser.</p>
</div><div class="live-answer"></div></div>`));
const pictures = new Panel(picturesPlace, "What the network sees of the photograph");
let photo = null; // {pixels, width, height}, in colour

// Upright, and as it is stored: no colour profile is applied, as in predict.py.
async function openPhoto(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    return pictures.say(`${file.name} is not a picture that this browser can read.`, true);
  }
  const shrink = Math.max(1, Math.sqrt((bitmap.width * bitmap.height) / LIVE.large));
  const width = Math.round(bitmap.width / shrink), height = Math.round(bitmap.height / shrink);
  const canvas = new OffscreenCanvas(width, height), brush = canvas.getContext("2d");
  brush.fillStyle = "#fff"; // transparent parts count as white
  brush.fillRect(0, 0, width, height);
  brush.drawImage(bitmap, 0, 0, width, height);
  photo = { pixels: brush.getImageData(0, 0, width, height).data, width, height };
  const shown = document.getElementById("live-photo"), scale = PAGE / Math.max(width, height);
  [shown.width, shown.height] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  shown.getContext("2d").drawImage(canvas, 0, 0, shown.width, shown.height);
  shown.setAttribute("aria-label", `The photograph ${file.name}`);
  await lookAtPhoto();
  pictures.speak();
}

const lookAtPhoto = newestOnly(pictures, async () => {
  if (!photo || !pictures.network) return;
  const { height, width, channels } = pictures.network;
  const pixels = squeeze(photo, height, width);
  pictures.showSeen(pixels, height, width, "seen: all of it, resized");
  const planes = Uint8Array.from({ length: pixels.length }, (_, place) => {
    const channel = Math.floor(place / (height * width));
    return pixels[(place % (height * width)) * channels + channel];
  });
  await pictures.show(planes);
  pictures.note();
});

document.getElementById("live-photo-file").addEventListener("change", ({ target }) => {
  if (target.files.length) openPhoto(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});

// ---- The reader's own network -----------------------------------------------------------------

const own = document.getElementById("live-own");
own.replaceChildren(make(`<label class="live-file">Choose a network
<input type="file" id="live-own-file" accept=".onnx"></label>
<button type="button" id="live-back" hidden>Back to this page's networks</button>
<output id="live-own-said"></output>`));
const ownSaid = document.getElementById("live-own-said");
const panels = { digits, pictures }, again = { digits: lookAtDrawing, pictures: lookAtPhoto };
const shipped = {};

async function openOwn(file) {
  ownSaid.classList.remove("live-wrong");
  ownSaid.textContent = `Opening ${file.name} …`;
  try {
    const network = await openNetwork(new Uint8Array(await file.arrayBuffer()), file.name);
    const kind = KINDS[network.channels];
    panels[kind].use(network);
    await again[kind]();
    panels[kind].note();
    document.getElementById("live-back").hidden = false;
    ownSaid.textContent = `${file.name} now reads the ` +
      `${kind === "digits" ? "drawing" : "photograph"}: ${network.title}, ` +
      `${network.classes.length} classes, ${megabytes(network.bytes)}.`;
  } catch (error) {
    ownSaid.classList.add("live-wrong");
    ownSaid.textContent = error.message;
  }
}

document.getElementById("live-own-file").addEventListener("change", ({ target }) => {
  if (target.files.length) openOwn(target.files[0]);
  target.value = "";
});
document.getElementById("live-back").addEventListener("click", async ({ target }) => {
  for (const [kind, network] of Object.entries(shipped)) {
    panels[kind].use(network);
    await again[kind]();
    panels[kind].note();
  }
  target.hidden = true;
  ownSaid.textContent = "This page's own networks are back.";
});

// A file that is dropped anywhere on the page goes where it belongs.
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
window.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
window.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  for (const file of event.dataTransfer.files)
    if (/\.onnx$/i.test(file.name)) openOwn(file);
    else openPhoto(file);
});

// ---- Begin ----------------------------------------------------------------------------------------

// Kept in the browser, so that the page also opens without a network; live_worker.js hands it out.
async function keepForLater() {
  if (!("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("live_worker.js", { scope: "live.html" });
  const addresses = performance.getEntriesByType("resource").map(({ name }) => name)
    .filter((name) => name.startsWith(location.origin));
  const wanted = new Set([location.href.split("#")[0], ...addresses]);
  const kept = await caches.open("live");
  const done = await Promise.allSettled([...wanted].map((address) => kept.add(address)));
  if (done.some(({ status }) => status === "rejected")) return; // without a network, say
  for (const { url } of await kept.keys()) if (!wanted.has(url)) await kept.delete(url);
  document.documentElement.dataset.live = "kept";
}

async function start() {
  for (const panel of [digits, pictures]) panel.say("The networks are loading …");
  lookAtDrawing();
  if (location.protocol === "file:") {
    const said = "A browser lets no page from a file run a network. In the folder of the book type " +
      "python -m http.server, then open http://localhost:8000/book/live.html.";
    return [digits, pictures].forEach((panel) => panel.say(said, true));
  }
  if (!LIVE.runtime) {
    const said = "This copy of the book was built without the program that runs networks. Type " +
      "make runtime (it needs npm and, once, a network), then make the book again.";
    return [digits, pictures].forEach((panel) => panel.say(said, true));
  }
  try {
    for (const [kind, address] of Object.entries(LIVE.models)) {
      const bytes = await (await fetch(address)).arrayBuffer();
      shipped[kind] = await openNetwork(new Uint8Array(bytes), address.split("/").at(-1));
      panels[kind].use(shipped[kind]);
      panels[kind].note();
      if (kind === "digits") await lookAtDrawing();
    }
    pictures.say("Choose a photograph.");
    document.documentElement.dataset.live = "ready";
    setTimeout(() => keepForLater().catch(() => {}), LATER); // a browser may refuse
  } catch (error) {
    digits.say(`The networks did not start: ${error.message ?? error}`, true);
  }
}

start();
