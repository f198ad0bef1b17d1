// Curves as SVG, drawn anew for the width there is; what is under the pointer is told in the legend.

import { el, svg } from "./dom.js";

const HEIGHT = 230;
const EDGE = { left: 52, right: 14, top: 10, bottom: 26 };

/**
 * A card with lines over the epochs.
 * `lines`: [{name, kind, points: [[x, y], ...]}]; `told`: numbers as text; `mark`: an x that is marked, as `markName`;
 * `from`, `to`: bounds of y that are known; `xs`: of x; `until`: how far x will come.
 */
export function curves(title, lines, { told = (value) => value.toPrecision(3), mark, markName = "", from, to, xName = "epoch", xs, until } = {}) {
  const drawn = lines.filter((line) => line.points.length);
  const summary = drawn.map((line) => `${line.name} ${told(line.points.at(-1)[1])}`).join(", ");
  const chart = svg("svg", { class: "chart", role: "img", "aria-label": `${title}; last: ${summary}`, height: HEIGHT });
  const legend = el("p", { class: "legend" });
  const place = layout(drawn, { mark, from, to, xs, until });
  const tell = (x) => {
    const where = x === undefined ? [] : [el("span", { class: "faint" }, `${xName} ${x}`)];
    const parts = drawn.map((line) => {
      const [, y] = line.points.find(([at]) => at === x) ?? line.points.at(-1);
      return el("span", { class: line.kind }, el("i"), `${line.name} ${told(y)}`);
    });
    legend.replaceChildren(...parts, ...where);
  };
  const draw = () => {
    const width = chart.clientWidth || 480;
    const { across, down, ticksX, ticksY } = place(width);
    chart.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    chart.replaceChildren(
      ...ticksY.flatMap((y) => [
        svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: down(y), y2: down(y) }),
        svg("text", { x: EDGE.left - 8, y: down(y) + 4, "text-anchor": "end" }, told(y)),
      ]),
      ...ticksX.map((x) => svg("text", { x: across(x), y: HEIGHT - 6, "text-anchor": "middle" }, String(x))),
    );
    if (mark !== undefined) {
      const late = across(mark) > width * 0.7;
      const lineAt = drawn.map(({ points }) => down((points.find(([x]) => x >= mark) ?? points.at(-1))[1]));
      const places = [EDGE.top + 10, HEIGHT - EDGE.bottom - 6, HEIGHT / 2];
      const free = places.find((y) => lineAt.every((at) => Math.abs(at - y + 4) > 16)) ?? places[0];
      chart.append(
        svg("line", { class: "best", x1: across(mark), x2: across(mark), y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
        svg("text", { x: across(mark) + (late ? -6 : 6), y: free, "text-anchor": late ? "end" : "start" }, markName),
      );
    }
    for (const line of drawn) {
      const path = line.points.map(([x, y], index) => `${index ? "L" : "M"}${across(x).toFixed(1)} ${down(y).toFixed(1)}`);
      chart.append(svg("path", { class: `line ${line.kind}`, d: path.join("") }));
      if (line.points.length === 1 || line.dots) {
        chart.append(...line.points.map(([x, y]) => svg("circle", { class: `dot ${line.kind}`, cx: across(x), cy: down(y), r: 4.5 })));
      }
    }
    const cross = svg("line", { class: "cross", y1: EDGE.top, y2: HEIGHT - EDGE.bottom, visibility: "hidden" });
    chart.append(cross);
    chart.onpointermove = (event) => {
      const at = event.clientX - chart.getBoundingClientRect().left;
      const near = drawn[0].points.map(([x]) => x).reduce((one, other) => (Math.abs(across(other) - at) < Math.abs(across(one) - at) ? other : one));
      cross.setAttribute("x1", across(near));
      cross.setAttribute("x2", across(near));
      cross.setAttribute("visibility", "visible");
      tell(near);
    };
    chart.onpointerleave = () => {
      cross.setAttribute("visibility", "hidden");
      tell();
    };
  };
  tell();
  new ResizeObserver(draw).observe(chart);
  return el("section", { class: "card" }, el("h3", {}, title), legend, chart);
}

/** Where values lie on a chart of a given width, and which of them are written at its edges. */
function layout(lines, { mark, from, to, xs, until }) {
  const all = lines.flatMap((line) => line.points);
  const [left, right] = xs ?? [Math.min(...all.map(([x]) => x)), Math.max(...all.map(([x]) => x), mark ?? -Infinity, until ?? -Infinity)];
  const ys = all.map(([, y]) => y).sort((one, other) => one - other);
  const low = from ?? ys[0];
  const high = to ?? Math.max(ys.at(-1), low + 1e-9);
  const step = nice((high - low) / 4);
  const bottom = from ?? Math.floor(low / step) * step;
  const top = to ?? Math.ceil(high / step - 1e-9) * step;
  return (width) => {
    const across = (x) => EDGE.left + ((x - left) / (right - left || 1)) * (width - EDGE.left - EDGE.right);
    const down = (y) => EDGE.top + ((top - y) / (top - bottom || 1)) * (HEIGHT - EDGE.top - EDGE.bottom);
    return { across, down, ticksX: ticks(left, right, Math.max(2, width / 90), xs ? 0 : 1), ticksY: ticks(bottom, top, 4, 0) };
  };
}

function ticks(low, high, count, least) {
  const step = Math.max(nice((high - low) / count) || 1, least);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(Number(at.toPrecision(6)));
  return found;
}

function nice(rough) {
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  return power * [1, 2, 5, 10].find((factor) => factor >= rough / power - 1e-9);
}
