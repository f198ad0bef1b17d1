// What conv1 ... conv5 made of a picture: small tiles, and one of them enlarged.

import { byId, el, walkable } from "./dom.js";

const STOPS = [[4, 3, 18], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]]; // dark to light, as magma
const LIT = 0.86; // how dark the picture is where a map is silent

/** Append a section for each convolution. `image` is the picture, `found` the server's answer. */
export async function showActivations(parent, found, image) {
  for (const layer of found.layers) {
    const bytes = Uint8Array.from(atob(layer.sheet), (sign) => sign.charCodeAt(0));
    const sheet = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const [count, height, width] = layer.shape;
    const all = layer.maps.map((map, index) => ({ ...map, index, layer, box: found.box, image, values: cut(sheet, layer, index) }));
    const tiles = el("div", { class: "tiles", role: "group", "aria-label": `Maps of ${layer.name}` }, all.map((map) => tile(map, all)));
    const shown = count > all.length ? `, the ${all.length} that answer most` : "";
    const title = el("h3", {}, layer.name, el("span", { class: "faint" }, `${count} maps of ${width} × ${height}${shown}`));
    parent.append(el("section", { class: "layer" }, title, tiles));
    walkable(tiles);
  }
}

function tile(map, all) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  paint(canvas, map);
  return el("button", { class: "tile", "aria-label": `${map.layer.name}, map ${map.number}`, onclick: () => open(map, all) }, canvas);
}

/** The values of one map, 0 to 255, row by row. */
function cut(sheet, layer, index) {
  const [, height, width] = layer.shape;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(sheet, -width * (index % layer.columns), -height * Math.floor(index / layer.columns));
  return context.getImageData(0, 0, width, height).data.filter((_, at) => at % 4 === 0);
}

function paint(canvas, map) {
  const [, height, width] = map.layer.shape;
  Object.assign(canvas, { width, height });
  const pixels = new ImageData(width, height);
  map.values.forEach((value, at) => pixels.data.set([...colour(value / 255), 255], 4 * at));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function colour(share) {
  const at = Math.min(share * (STOPS.length - 1), STOPS.length - 1.001);
  const [low, high] = [STOPS[Math.floor(at)], STOPS[Math.floor(at) + 1]];
  return low.map((value, channel) => value + (high[channel] - value) * (at % 1));
}

function open(map, all) {
  const dialog = byId("map");
  const [count, height, width] = map.layer.shape;
  byId("map-title").textContent = `${map.layer.name}, map ${map.number}`;
  byId("map-text").textContent =
    `One of ${count} maps of ${width} × ${height}. Average ${map.mean.toPrecision(3)}, highest ${map.highest.toPrecision(3)}; ` +
    `number ${map.index + 1} by its average.`;
  paint(byId("map-values"), map);
  spotlight(byId("map-spot"), map);
  const go = (step) => open(all.at((map.index + step) % all.length), all);
  byId("map-before").onclick = () => go(-1);
  byId("map-next").onclick = () => go(1);
  dialog.querySelector(".close").onclick = () => dialog.close();
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.onkeydown = (event) => ({ ArrowLeft: () => go(-1), ArrowRight: () => go(1) })[event.key]?.();
  if (!dialog.open) dialog.showModal();
}

/** The part of the picture that the network saw, dark where the map is silent. */
function spotlight(canvas, map) {
  const side = 320;
  const { image, box } = map;
  Object.assign(canvas, { width: side, height: side });
  const context = canvas.getContext("2d");
  const [across, down] = [image.naturalWidth, image.naturalHeight];
  context.drawImage(image, box.left * across, box.top * down, box.width * across, box.height * down, 0, 0, side, side);
  const [, height, width] = map.layer.shape;
  const veil = new ImageData(width, height);
  map.values.forEach((value, at) => veil.data.set([8, 4, 14, 255 * LIT * (1 - value / 255)], 4 * at));
  const small = new OffscreenCanvas(width, height);
  small.getContext("2d").putImageData(veil, 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, side, side);
}
