// What a picture goes through before a network sees it: the steps of predict.py, in their order.
// helpers/data/digits.py and helpers/data/pictures.py say why; a test compares every pixel. The
// numbers come from there, too, when the book is built. A picture is {pixels, width, height}; its
// pixels stand row by row: one number each when it is grey, red, green, blue, alpha in colour.
const LIVE = JSON.parse(document.getElementById("live-settings").textContent);
const D = LIVE.digits;

// As Python and numpy round: a half goes to the even neighbour.
function roundHalfEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}

function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function lowestAndHighest(values) {
  let low = Infinity, high = -Infinity;
  for (let place = 0; place < values.length; place++) {
    if (values[place] < low) low = values[place];
    if (values[place] > high) high = values[place];
  }
  return [low, high];
}

// The brightness of each pixel, weighted as Pillow does it.
function grey({ pixels, width, height }) {
  const found = new Uint8Array(width * height);
  for (let place = 0, at = 0; place < found.length; place++, at += 4)
    found[place] =
      (pixels[at] * 19595 + pixels[at + 1] * 38470 + pixels[at + 2] * 7471 + 32768) >> 16;
  return { pixels: found, width, height };
}

function crop({ pixels, width }, left, top, newWidth, newHeight) {
  const found = new pixels.constructor(newWidth * newHeight);
  for (let row = 0; row < newHeight; row++) {
    const start = (top + row) * width + left;
    found.set(pixels.subarray(start, start + newWidth), row * newWidth);
  }
  return { pixels: found, width: newWidth, height: newHeight };
}

function border({ pixels, width, height }) {
  const found = [];
  for (let column = 0; column < width; column++)
    found.push(pixels[column], pixels[(height - 1) * width + column]);
  for (let row = 0; row < height; row++)
    found.push(pixels[row * width], pixels[row * width + width - 1]);
  return found;
}

function withoutFrame(picture) {
  const { width, height } = picture;
  const depth = Math.max(2, roundHalfEven(D.FRAME_DEPTH * Math.min(width, height)));
  if (Math.min(width, height) < 4 * depth) return picture;
  const inside = crop(picture, depth, depth, width - 2 * depth, height - 2 * depth);
  return Math.abs(median(border(picture)) - median(border(inside))) > D.FRAME ? inside : picture;
}

function isDarkOnLight(picture) {
  const [darkest, lightest] = lowestAndHighest(picture.pixels);
  return median(border(picture)) > (darkest + lightest) / 2;
}

// How much ink each row and each column has.
function masses({ pixels, width, height }) {
  const rows = new Float64Array(height), columns = new Float64Array(width);
  for (let row = 0, place = 0; row < height; row++)
    for (let column = 0; column < width; column++, place++) {
      rows[row] += pixels[place];
      columns[column] += pixels[place];
    }
  return [rows, columns];
}

function centreOf(mass) {
  let total = 0, moment = 0;
  mass.forEach((value, place) => {
    total += value;
    moment += value * place;
  });
  return moment / total;
}

// The first place with ink, and how many there are up to the last one.
function extent(mass) {
  const first = mass.findIndex((value) => value > 0);
  return [first, mass.findLastIndex((value) => value > 0) - first + 1];
}

function isLikeMnist(picture) {
  const { pixels, width, height } = picture;
  if (width !== D.FIELD || height !== D.FIELD || median(pixels) >= D.BLACK) return false;
  const sides = masses(picture);
  if (!sides[0].some((value) => value > 0)) return false;
  const longest = Math.max(...sides.map((mass) => extent(mass)[1]));
  if (longest !== D.BOX - 1 && longest !== D.BOX) return false;
  return sides.every((mass) => Math.abs(centreOf(mass) - D.CENTRE) < D.OFF_CENTRE);
}

// Pillow's `reduce`: each new pixel is the mean of `factor` x `factor` old ones.
function reduce({ pixels, width, height }, factor) {
  if (factor === 1) return { pixels, width, height };
  const newWidth = Math.ceil(width / factor), newHeight = Math.ceil(height / factor);
  const found = new Uint8Array(newWidth * newHeight);
  for (let row = 0; row < newHeight; row++)
    for (let column = 0; column < newWidth; column++) {
      const bottom = Math.min(height, (row + 1) * factor);
      const right = Math.min(width, (column + 1) * factor);
      const count = (bottom - row * factor) * (right - column * factor);
      let sum = Math.floor(count / 2);
      for (let y = row * factor; y < bottom; y++)
        for (let x = column * factor; x < right; x++) sum += pixels[y * width + x];
      found[row * newWidth + column] =
        Math.floor((sum * Math.floor(2 ** 24 / count)) / 2 ** 24);
    }
  return { pixels: found, width: newWidth, height: newHeight };
}

// For each new pixel of a row: where the old ones begin that it is made of, and their weights,
// a triangle as wide as the picture shrinks.
function triangles(from, to) {
  const scale = from / to, reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, place) => {
    const middle = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(middle - reach + 0.5));
    const last = Math.min(from, Math.trunc(middle + reach + 0.5));
    const weights = Array.from({ length: last - first }, (_, step) =>
      Math.max(0, 1 - Math.abs((step + first - middle + 0.5) * (1 / reach))));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}

// Pillow's bilinear `resize` of one channel: along the rows, then along the columns. `steps` is
// how many channels stand side by side. Bytes are summed with weights that are whole numbers.
const FINE = 2 ** 22;

function resize({ pixels, width, height }, newWidth, newHeight, steps = 1) {
  const bytes = !(pixels instanceof Float32Array);
  const tables = [[width, newWidth], [height, newHeight]].map(([from, to]) => {
    const table = triangles(from, to);
    if (bytes)
      for (const entry of table)
        entry.weights = entry.weights.map((weight) => Math.floor(weight * FINE + 0.5));
    return table;
  });
  const kind = bytes ? Uint8ClampedArray : Float32Array;
  const sum = (source, start, step, weights) => {
    let total = bytes ? FINE / 2 : 0;
    for (let k = 0; k < weights.length; k++) total += source[start + k * step] * weights[k];
    return bytes ? Math.floor(total / FINE) : total;
  };
  let source = pixels;
  if (newWidth !== width) {
    source = new kind(newWidth * height * steps);
    for (let row = 0; row < height; row++)
      for (let column = 0; column < newWidth; column++) {
        const { first, weights } = tables[0][column];
        for (let channel = 0; channel < steps; channel++)
          source[(row * newWidth + column) * steps + channel] =
            sum(pixels, (row * width + first) * steps + channel, steps, weights);
      }
  }
  if (newHeight === height) return { pixels: source, width: newWidth, height };
  const found = new kind(newWidth * newHeight * steps), across = newWidth * steps;
  for (let row = 0; row < newHeight; row++) {
    const { first, weights } = tables[1][row];
    for (let place = 0; place < across; place++)
      found[row * across + place] = sum(source, first * across + place, across, weights);
  }
  return { pixels: found, width: newWidth, height: newHeight };
}

// The ink without spots that are far smaller than the largest connected part; changes `pixels`.
function removeSpecks({ pixels, width, height }) {
  const part = new Int32Array(pixels.length), sizes = [0], waiting = [];
  for (let start = 0; start < pixels.length; start++) {
    if (!pixels[start] || part[start]) continue;
    sizes.push(0);
    part[start] = sizes.length - 1;
    waiting.push(start);
    while (waiting.length) {
      const place = waiting.pop(), row = Math.floor(place / width), column = place % width;
      sizes[part[start]]++;
      for (let y = Math.max(0, row - 1); y <= Math.min(height - 1, row + 1); y++)
        for (let x = Math.max(0, column - 1); x <= Math.min(width - 1, column + 1); x++) {
          const next = y * width + x;
          if (pixels[next] && !part[next]) {
            part[next] = part[start];
            waiting.push(next);
          }
        }
    }
  }
  const smallest = D.SPECK * sizes.reduce((high, size) => Math.max(high, size));
  for (let place = 0; place < pixels.length; place++)
    if (sizes[part[place]] < smallest) pixels[place] = 0;
}

function centreLikeMnist(ink) {
  const [rows, columns] = masses(ink).map(extent);
  const box = crop(ink, columns[0], rows[0], columns[1], rows[1]);
  const scale = D.BOX / Math.max(box.width, box.height);
  const [width, height] = [box.width, box.height].map((side) =>
    Math.max(1, roundHalfEven(side * scale)));
  const small = resize(box, width, height).pixels;
  const gain = Math.fround(255 / lowestAndHighest(small)[1]);
  const digit = { pixels: new Uint8Array(small.length), width, height };
  small.forEach((value, place) => {
    digit.pixels[place] = roundHalfEven(Math.fround(value * gain));
  });
  const [top, left] = masses(digit).map((mass) =>
    Math.min(Math.max(roundHalfEven(D.CENTRE - centreOf(mass)), 0), D.FIELD - mass.length));
  const field = new Uint8Array(D.FIELD * D.FIELD);
  for (let row = 0; row < height; row++)
    field.set(digit.pixels.subarray(row * width, (row + 1) * width),
      (top + row) * D.FIELD + left);
  return field;
}

// `read_digit` of helpers/data/digits.py: {pixels: 28 x 28 bytes or null, readAs}.
function readDigit(colours) {
  let picture = withoutFrame(grey(colours));
  const inverted = isDarkOnLight(picture);
  if (inverted)
    picture = { ...picture, pixels: picture.pixels.map((value) => 255 - value) };
  const readAs = inverted ? "dark on light, inverted" : "light on dark";
  const background = median(border(picture));
  if (isLikeMnist(picture)) return { pixels: picture.pixels, readAs: `${readAs}, 28 x 28 kept` };
  const longest = Math.max(picture.width, picture.height);
  const small = reduce(picture, Math.max(1, Math.floor(longest / D.LARGEST_SIDE)));
  const strongest = lowestAndHighest(small.pixels)[1] - background;
  if (strongest < D.FAINTEST) return { pixels: null, readAs: "no digit: one colour" };
  const faintest = Math.fround(Math.fround(D.PAPER) * strongest);
  const ink = { ...small, pixels: new Float32Array(small.pixels.length) };
  let count = 0;
  for (let place = 0; place < ink.pixels.length; place++) {
    const value = small.pixels[place] - background;
    if (value <= 0 || value < faintest) continue;
    ink.pixels[place] = value;
    count++;
  }
  if (count / ink.pixels.length > D.MOST_INK)
    return { pixels: null, readAs: "no digit: ink all over" };
  removeSpecks(ink);
  return { pixels: centreLikeMnist(ink), readAs };
}

// `squeeze` of helpers/data/pictures.py: bytes `height * width * 3`.
function squeeze(colours, height, width) {
  const small = resize(colours, width, height, 4).pixels;
  return Uint8Array.from({ length: 3 * height * width }, (_, place) =>
    small[4 * Math.floor(place / 3) + (place % 3)]);
}
