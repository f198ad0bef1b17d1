// What came out of a training: figures, who is taken for whom, how sure it is, small pictures.

import { askBlob } from "./api.js";
import { curves } from "./charts.js";
import { el, PARTS, percent } from "./dom.js";

const MOST = 16; // pictures of a gallery
const WHITE = 0.62; // share of a row from which on white figures are easier to read

/** Rows actual, columns predicted; a list of pairs where there are too many classes for a table. */
export function confusion(verdict) {
  const { classes, confusion_matrix: matrix, confused } = verdict;
  const title = el("h3", {}, "Taken for what");
  if (!matrix) {
    const rows = confused.map((each) => [each.label, each.predicted, String(each.count)]);
    return el("section", { class: "card" }, title, table(["actual", "predicted", "pictures"], rows));
  }
  const head = el("tr", {}, el("td"), classes.map((name) => el("th", { scope: "col", title: name }, el("span", {}, name))));
  const body = matrix.map((counts, actual) => {
    const total = counts.reduce((one, other) => one + other, 0) || 1;
    const cells = counts.map((count, predicted) => {
      const share = count / total;
      const kind = `${count ? "" : "none"} ${actual === predicted ? "diagonal" : ""} ${share > WHITE ? "full" : ""}`;
      const cell = el("td", { class: kind, title: `${classes[actual]} taken for ${classes[predicted]}: ${count}` }, count ? String(count) : "");
      cell.style.setProperty("--share", share);
      return cell;
    });
    return el("tr", {}, el("th", { scope: "row" }, classes[actual]), cells);
  });
  const grid = el("table", { class: "confusion" }, el("thead", {}, head), el("tbody", {}, body));
  grid.style.setProperty("--classes", classes.length);
  return el(
    "section",
    { class: "card" },
    title,
    el("p", { class: "faint" }, `Rows: what it is. Columns: what the network said. ${verdict.n} ${PARTS[verdict.split]} pictures.`),
    scrolling("Confusion matrix", grid),
  );
}

/** Each class: how many of it were found, how many so called were it. */
export function classes(verdict) {
  const rows = verdict.per_class.map((each) => {
    const recall = el("td", { class: "recall" }, el("span", {}, percent(each.recall ?? 0, 0)));
    recall.style.setProperty("--share", each.recall ?? 0);
    return el("tr", {}, el("th", { scope: "row" }, each.label), recall, el("td", {}, percent(each.precision ?? 0, 0)), el("td", {}, String(each.n)));
  });
  const head = ["class", "recall", "precision", "pictures"].map((name) => el("th", { scope: "col" }, name));
  const whole = el("table", { class: "plain" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows));
  return el("section", { class: "card" }, el("h3", {}, "Each class"), scrolling("Each class", whole, rows.length > 12));
}

/** Is it right as often as it says? */
export function reliability(verdict) {
  const bins = (verdict.calibration ?? []).filter((bin) => bin.n);
  if (bins.length < 2) return null;
  const lines = [
    { name: "right", kind: "train", dots: true, points: bins.map((bin) => [bin.score, bin.accuracy]) },
    { name: "ideal", kind: "ideal", points: [[0, 0], [1, 1]] },
  ];
  return curves("Right as often as it says?", lines, { told: (share) => percent(share, 0), from: 0, to: 1, xs: [0, 1], xName: "said" });
}

/** Small pictures with what they are and what was said. Resolves to null where there are none. */
export async function gallery(title, name, known, answers, version = "") {
  if (!known) return null;
  const strip = await createImageBitmap(await askBlob(`/page/run/pictures/${name}${version}`));
  const side = strip.height;
  const captions = (answers ?? known.captions).slice(0, MOST);
  const figures = captions.map((each, index) => {
    const canvas = el("canvas", { width: side, height: side, role: "img", "aria-label": each.label });
    canvas.getContext("2d").drawImage(strip, -side * index, 0);
    return el("figure", {}, canvas, caption(each));
  });
  return el("section", { class: "card" }, el("h3", {}, title), el("div", { class: "gallery" }, figures));
}

function caption({ label, predicted, score, right }) {
  if (predicted === undefined) return el("figcaption", {}, label);
  const said = el("span", { class: right ? "right" : "wrong" }, `${right ? "✓" : "✗"} ${predicted}`);
  return el("figcaption", {}, said, ` ${percent(score, 0)}`, right ? null : el("span", { class: "faint" }, el("br"), `it is ${label}`));
}

/** Rows of text; the first of a row is its head. */
export function table(names, rows) {
  const head = el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)));
  const body = rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), rest.map((text) => el("td", {}, text))));
  return scrolling(names.join(", "), el("table", { class: "plain" }, el("thead", {}, head), el("tbody", {}, body)), rows.length > 12);
}

/** What is wider or higher than its place can be scrolled, by keyboard too. */
function scrolling(label, content, low = false) {
  return el("div", { class: low ? "scroll low" : "scroll", tabindex: 0, role: "region", "aria-label": label }, content);
}
