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

function share(values, isSo) {
  let count = 0;
  for (let place = 0; place < values.length; place++) if (isSo(values[place])) count++;
  return count / values.length;
}

// One pixel again for each square of a picture that was enlarged by repeating its pixels.
function withoutBlocks(picture) {
  const { pixels, width, height } = picture, rows = [], columns = [];
  const differs = (count, step, place, other) => {
    for (let k = 0; k < count; k++)
      if (Math.abs(pixels[place + k * step] - pixels[other + k * step]) > D.EQUAL) return true;
    return false;
  };
  for (let row = 1; row < height; row++)
    if (differs(width, 1, row * width, (row - 1) * width)) rows.push(row);
  for (let column = 1; column < width; column++)
    if (differs(height, width, column, column - 1)) columns.push(column);
  const gaps = [rows, columns].flatMap((edges) =>
    edges.slice(1).map((edge, place) => edge - edges[place]));
  const narrowest = gaps.reduce((low, gap) => Math.min(low, gap), Infinity);
  if (Math.min(rows.length, columns.length) < D.FEWEST_EDGES || narrowest < D.SMALLEST_BLOCK)
    return picture;
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const side = sum(gaps) / sum(gaps.map((gap) => roundHalfEven(gap / narrowest)));
  if (gaps.some((gap) => Math.abs(gap - side * roundHalfEven(gap / side)) > 1)) return picture;
  const [down, across] = [[rows, height], [columns, width]].map(([edges, end]) =>
    [...edges, end].flatMap((stop, place) => {
      const start = place ? edges[place - 1] : 0, count = roundHalfEven((stop - start) / side);
      return Array.from({ length: count }, (_, k) =>
        Math.trunc(start + ((k + 0.5) * (stop - start)) / count));
    }));
  const found = down.flatMap((row) => across.map((column) => pixels[row * width + column]));
  return { pixels: Uint8Array.from(found), width: across.length, height: down.length };
}

function withoutFrame(picture) {
  const { width, height } = picture;
  if (Math.min(width, height) < D.FIELD) return picture;
  const depth = roundHalfEven(D.FRAME_DEPTH * Math.min(width, height));
  const inside = crop(picture, depth, depth, width - 2 * depth, height - 2 * depth);
  const edge = border(picture), tone = median(edge);
  const isEven = share(edge, (value) => Math.abs(value - tone) < D.FRAME) > D.EVEN;
  return isEven && Math.abs(tone - median(border(inside))) > D.FRAME ? inside : picture;
}

// The lowest and the highest value, without so few that they may be dust or a glint.
function extremes(values) {
  const few = Math.floor(D.DUST * values.length), sorted = values.slice().sort();
  return [sorted[few], sorted[values.length - 1 - few]];
}

function middleOf(picture) {
  const [darkest, lightest] = extremes(picture.pixels);
  return (darkest + lightest) / 2;
}

function isDarkOnLight(picture) {
  const middle = middleOf(picture), isLight = (value) => value > middle;
  let light = share(border(picture), isLight);
  if (1 - D.EVEN < light && light < D.EVEN) light = share(picture.pixels, isLight);
  return light > 0.5;
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

// How much an old pixel counts whose distance is so many pixels, new or old, the larger ones.
const TRIANGLE = { reach: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) };
const CUBIC = {
  reach: 2,
  at: (x) => {
    x = Math.abs(x);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
  },
};

// For each new pixel of a row: where the old ones begin that it is made of, and their weights.
function weightsOf(from, to, filter) {
  const scale = from / to, shrink = Math.max(1, scale), reach = filter.reach * shrink;
  return Array.from({ length: to }, (_, place) => {
    const middle = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(middle - reach + 0.5));
    const last = Math.min(from, Math.trunc(middle + reach + 0.5));
    const weights = Array.from({ length: last - first }, (_, step) =>
      filter.at((step + first - middle + 0.5) * (1 / shrink)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight * (1 / total)) };
  });
}

// Pillow's `resize`: along the rows, then along the columns. `steps` is
// how many channels stand side by side. Bytes are summed with weights that are whole numbers.
const PARTS = 2 ** 22;

function resize({ pixels, width, height }, newWidth, newHeight, filter = TRIANGLE, steps = 1) {
  const bytes = !(pixels instanceof Float32Array);
  const tables = [[width, newWidth], [height, newHeight]].map(([from, to]) => {
    const table = weightsOf(from, to, filter);
    if (bytes)
      for (const entry of table)
        entry.weights = entry.weights.map((weight) => Math.floor(weight * PARTS + 0.5));
    return table;
  });
  const kind = bytes ? Uint8ClampedArray : Float32Array;
  const sum = (source, start, step, weights) => {
    let total = bytes ? PARTS / 2 : 0;
    for (let k = 0; k < weights.length; k++) total += source[start + k * step] * weights[k];
    return bytes ? Math.floor(total / PARTS) : total;
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

// The number of the connected part that each pixel belongs to, 0 where there is no ink, and sizes.
function partsOf({ pixels, width, height }) {
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
  return { part, sizes };
}

// The ink without spots that are far smaller than the largest connected part; changes `pixels`.
function removeSpecks(ink) {
  const { part, sizes } = partsOf(ink);
  const smallest = D.SPECK * sizes.reduce((high, size) => Math.max(high, size));
  part.forEach((number, place) => {
    if (sizes[number] < smallest) ink.pixels[place] = 0;
  });
}

// The places of the four sides of a picture.
function sidesOf(width, height) {
  const row = (y) => Array.from({ length: width }, (_, x) => y * width + x);
  const column = (x) => Array.from({ length: height }, (_, y) => y * width + x);
  return [row(0), row(height - 1), column(0), column(width - 1)];
}

// What is fainter than this is taken for paper.
function faintestOf({ pixels }) {
  return Math.fround(Math.fround(D.PAPER) * lowestAndHighest(pixels)[1]);
}

// 1 where there is ink, 0 elsewhere.
function darkIn(ink) {
  const faintest = faintestOf(ink);
  return { ...ink, pixels: ink.pixels.map((value) => value >= faintest) };
}

// The ink without parts that fill a whole edge of the picture, if there is more; changes `pixels`.
function removeEdges(ink) {
  const { part, sizes } = partsOf(darkIn(ink));
  const along = new Set();
  for (const side of sidesOf(ink.width, ink.height)) {
    const counts = new Map();
    for (const place of side) counts.set(part[place], (counts.get(part[place]) ?? 0) + 1);
    for (const [number, count] of counts)
      if (number && count >= D.STRAIGHT * side.length) along.add(number);
  }
  const largest = (isCounted) =>
    sizes.reduce((high, size, number) => (isCounted(number) ? Math.max(high, size) : high), 0);
  if (largest((number) => !along.has(number)) < D.SPECK * largest(() => true)) return;
  part.forEach((number, place) => {
    if (along.has(number)) ink.pixels[place] = 0;
  });
}

// Left, top, width and height of a full rectangle, if the ink is one, smaller than the picture.
function sheetOn(ink) {
  const dark = darkIn(ink);
  const [rows, columns] = masses(dark).map(extent);
  const isFull = (values, least) => share(values, (value) => value > 0) >= least;
  const { pixels, width, height } = boxed(dark);
  const isSheet = Math.min(width, height) >= D.FIELD && pixels.length < ink.pixels.length &&
    share(pixels, (value) => value > 0) > D.SHEET &&
    sidesOf(width, height).every((side) => isFull(side.map((place) => pixels[place]), D.STRAIGHT));
  return isSheet ? [columns[0], rows[0], width, height] : null;
}

// The part of the picture where there is ink.
function boxed(ink) {
  const [rows, columns] = masses(ink).map(extent);
  return crop(ink, columns[0], rows[0], columns[1], rows[1]);
}

// The same, its longer side `side` pixels.
function resized(ink, side) {
  const longest = Math.max(ink.width, ink.height);
  const [width, height] = [ink.width, ink.height].map((old) =>
    Math.max(1, roundHalfEven((old * side) / longest)));
  const found = resize(ink, width, height, CUBIC);
  return { ...found, pixels: found.pixels.map((value) => Math.max(0, value)) };
}

// With so many empty pixels around it.
function padded({ pixels, width, height }, count) {
  const found = new pixels.constructor((width + 2 * count) * (height + 2 * count));
  for (let row = 0; row < height; row++)
    found.set(pixels.subarray(row * width, (row + 1) * width),
      (row + count) * (width + 2 * count) + count);
  return { pixels: found, width: width + 2 * count, height: height + 2 * count };
}

// Each pixel becomes the strongest (or, with Math.min, the faintest) one within `radius`.
function spread(picture, radius, choose) {
  const { pixels, width, height } = padded(picture, radius), places = [];
  for (let row = -radius; row <= radius; row++)
    for (let column = -radius; column <= radius; column++)
      if (row * row + column * column <= radius * radius + 0.5) places.push(row * width + column);
  const found = pixels.slice();
  for (let row = radius; row < height - radius; row++)
    for (let column = radius; column < width - radius; column++) {
      const place = row * width + column;
      for (const step of places) found[place] = choose(found[place], pixels[place + step]);
    }
  return crop({ pixels: found, width, height }, radius, radius, picture.width, picture.height);
}

// The number below which `part` of the values are, as numpy finds it.
function quantile(values, part) {
  const sorted = Float32Array.from(values).sort(), place = part * (sorted.length - 1);
  const low = Math.floor(place), t = Math.fround(place - low), round = Math.fround;
  const [a, b] = [sorted[low], sorted[Math.min(low + 1, sorted.length - 1)]];
  const gap = round(b - a);
  return t < 0.5 ? round(a + round(gap * t)) : round(b - round(gap * round(1 - t)));
}

// The ink in black and white, with strokes as wide as MNIST's: `_bilevel` of digits.py.
function bilevel(ink) {
  const fine = resized(boxed(ink), D.FINE), round = Math.fround;
  const strong = quantile(fine.pixels.filter((value) => value > 0), 0.95);
  fine.pixels.forEach((value, place) => {
    const steep = round(round(round(round(value / strong) - 0.5) * D.EDGE) + 0.5);
    fine.pixels[place] = Math.min(1, Math.max(0, steep));
  });
  const { pixels, width, height } = padded(fine, 1);
  let count = 0, edge = 0;
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const place = row * width + column, isBlack = pixels[place] > 0.5;
      if (isBlack) count++;
      if (column + 1 < width && isBlack !== pixels[place + 1] > 0.5) edge++;
      if (row + 1 < height && isBlack !== pixels[place + width] > 0.5) edge++;
    }
  const pen = (2 * count) / (0.8 * edge);
  if (pen < D.THINNEST) {
    const steps = roundHalfEven((D.THINNEST - pen) / 2);
    return spread(padded(fine, steps), steps, Math.max);
  }
  if (pen > D.THICKEST)
    return spread(fine, Math.min(2, roundHalfEven((pen - D.THICKEST) / 2)), Math.min);
  return fine;
}

function centreLikeMnist(ink) {
  const box = boxed(ink), scale = D.BOX / Math.max(box.width, box.height);
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
  return readGrey(grey(colours));
}

function readGrey(original) {
  const plain = withoutFrame(withoutBlocks(original));
  let picture = plain;
  const inverted = isDarkOnLight(picture);
  if (inverted)
    picture = { ...picture, pixels: picture.pixels.map((value) => 255 - value) };
  const readAs = inverted ? "dark on light, inverted" : "light on dark";
  if (isLikeMnist(picture)) return { pixels: picture.pixels, readAs: `${readAs}, 28 x 28 kept` };
  let background = median(border(picture));
  if (background > middleOf(picture)) background = extremes(picture.pixels)[0];
  const longest = Math.max(picture.width, picture.height);
  const factor = Math.max(1, Math.floor(longest / D.LARGEST_SIDE));
  const small = reduce(picture, factor);
  let ink = { ...small, pixels: new Float32Array(small.pixels.length) };
  for (let place = 0; place < ink.pixels.length; place++)
    ink.pixels[place] = Math.max(0, small.pixels[place] - background);
  const highest = extremes(ink.pixels)[1];
  ink.pixels.forEach((value, place) => {
    ink.pixels[place] = Math.min(value, highest);
  });
  if (highest < D.FAINTEST) return { pixels: null, readAs: "no digit: one colour" };
  if (Math.min(ink.width, ink.height) >= D.FIELD) {
    removeEdges(ink);
    const sheet = sheetOn(ink);
    if (sheet) {
      const [left, top, width, height] = sheet.map((place) => factor * place);
      return readGrey(crop(plain, left, top, Math.min(width, plain.width - left),
        Math.min(height, plain.height - top)));
    }
  }
  if (Math.max(ink.width, ink.height) < 2 * D.FINE) ink = resized(padded(ink, 1), 2 * D.FINE);
  const faintest = faintestOf(ink);
  for (let place = 0; place < ink.pixels.length; place++)
    if (ink.pixels[place] < faintest) ink.pixels[place] = 0;
  if (share(ink.pixels, (value) => value > 0) > D.MOST_INK)
    return { pixels: null, readAs: "no digit: ink all over" };
  removeSpecks(ink);
  return { pixels: centreLikeMnist(bilevel(ink)), readAs };
}

// `squeeze` of helpers/data/pictures.py: bytes `height * width * 3`.
function squeeze(colours, height, width) {
  const small = resize(colours, width, height, TRIANGLE, 4).pixels;
  return Uint8Array.from({ length: 3 * height * width }, (_, place) =>
    small[4 * Math.floor(place / 3) + (place % 3)]);
}
