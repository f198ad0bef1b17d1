// The second tab: how a network came to be, growing while it does.

import { ask, askJson } from "./api.js";
import { curves } from "./charts.js";
import { announce, duration, el, PARTS, percent } from "./dom.js";
import { classes, confusion, gallery, reliability, table } from "./verdict.js";

const PACE = { training: 1500, other: 10000 }; // milliseconds between two looks
const KEY = new URLSearchParams(location.hash.slice(1)).get("key") ?? sessionStorage.getItem("key");

/** Fill `panel`. Gives `seen(whether)`: nothing is asked for while nobody looks. */
export function start(panel, about) {
  if (about.watching && KEY) {
    sessionStorage.setItem("key", KEY);
    history.replaceState(null, "", location.pathname); // it need not stand in the address any more
  }
  let tag = null;
  let timer = null;
  let looking = false;
  let state = "";

  async function look() {
    timer = null;
    try {
      const response = await ask("/page/run", { headers: tag ? { "If-None-Match": tag } : {} });
      if (response.status !== 304) {
        const report = await response.json();
        const answers = await askForAnswers(about, report);
        await show(panel, about, report, answers);
        tag = response.headers.get("ETag");
        if (state === "training" && report.state !== state) announce(`The training has ended: ${report.state}`);
        state = report.state;
      }
      panel.querySelector(".lost")?.remove();
    } catch (error) {
      if (!panel.querySelector(".lost")) panel.prepend(el("p", { class: "card finding lost", role: "alert" }, error.message));
    }
    again();
  }

  function again() {
    clearTimeout(timer);
    if (looking && !document.hidden) timer = setTimeout(look, state === "training" ? PACE.training : PACE.other);
  }

  document.addEventListener("visibilitychange", () => looking && !document.hidden && look());
  return {
    seen(whether) {
      const first = whether && !looking;
      looking = whether;
      if (first) look();
      else again();
    },
  };
}

/** What the newest weights say of some validation pictures; only the watching server is asked. */
async function askForAnswers(about, report) {
  if (!about.watching || report.state !== "training" || !report.history.length || !report.galleries.held_out) return null;
  return askJson("/page/run/answers"); // null where there are none yet
}

async function show(panel, about, report, answers) {
  const { verdict, history, galleries } = report;
  const [live, worst, judged] = await Promise.all([
    answers ? gallery(`What it says of pictures it never saw, after epoch ${answers.epoch}`, "held_out", galleries.held_out, answers.captions) : null,
    verdict ? gallery("The most surprising ones: highest loss", "worst", galleries.worst) : null,
    verdict ? gallery("Some of the others", "predictions", galleries.predictions) : null,
  ]);
  const focused = document.activeElement;
  const best = verdict?.epoch ?? bestOf(history);
  const until = report.state === "training" ? report.epochs : undefined; // the way that is left is seen
  const parts = [
    head(about, report),
    findings(report),
    figures(report),
    history.length ? el("div", { class: "two" }, accuracy(history, best, until), loss(history, best, until)) : null,
    live,
    verdict ? confusion(verdict) : null,
    verdict ? el("div", { class: "two" }, classes(verdict), reliability(verdict)) : null,
    worst,
    judged,
    report.state === "training" && galleries.samples ? await gallery("Some training pictures", "samples", galleries.samples) : null,
    recipe(report),
    history.length ? epochs(history, panel.querySelector("details.epochs")?.open) : null,
    log(report),
  ];
  panel.replaceChildren(...parts.filter(Boolean));
  if (focused?.isConnected) focused.focus();
}

// ---- what there is to see, from top to bottom ----

function head(about, { name, state, args, environment, epochs: planned, history }) {
  const said = { training: "training", finished: "finished", stopped: "stopped, can go on", ended: "not finished" }[state];
  const data = String(args.data).replace(/[\\/]+$/, "").split(/[\\/]/).at(-1);
  const done = history.length;
  const stop = about.watching && KEY && state === "training" ? stopButton() : null;
  const under = `${args.model} on ${data}, recipe ${args.recipe}${environment.device ? ` · ${environment.device}, ${environment.precision}` : ""}`;
  const section = el(
    "header",
    {},
    el("div", { class: "run-head" }, el("div", {}, el("div", { class: "run-name" }, el("h2", {}, name), el("span", { class: `state ${state}` }, said)), el("p", { class: "faint" }, under)), stop),
  );
  if (state === "training") {
    const left = done && planned ? ` · about ${duration(((planned - done) * history.at(-1).time) / done)} left` : "";
    const text = done >= planned ? "all epochs are done; now it is judged" : `${done} of ${planned} epochs${left}`;
    section.append(el("div", { class: "progress" }, el("progress", { max: planned, value: done, "aria-label": "Epochs done" }), el("span", {}, text)));
  }
  return section;
}

let button = null; // one for all reports, so that it keeps the focus and what it says

function stopButton() {
  return (button ??= newStopButton());
}

function newStopButton() {
  const made = el("button", { class: "button" }, "Stop and save");
  made.addEventListener("click", async () => {
    made.disabled = true;
    made.textContent = "stopping …";
    try {
      await ask("/page/run/stop", { method: "POST", headers: { "X-Key": KEY } });
      announce("The training was asked to finish its step, save and stop");
    } catch (error) {
      made.textContent = error.message;
    }
  });
  return made;
}

function findings({ findings: found }) {
  if (!found.length) return null;
  const cards = found.map((each) =>
    el(
      "section",
      { class: "card finding" },
      el("h3", {}, `The doctor: ${each.name}`),
      el("p", {}, each.cause),
      each.evidence.length ? el("ul", {}, each.evidence.map((line) => el("li", {}, line))) : null,
      each.remedy ? el("code", {}, each.remedy) : null,
      each.advice ? el("p", { class: "faint" }, each.advice) : null,
    ),
  );
  return el("div", {}, cards);
}

function figures({ verdict, history, epochs: planned }) {
  const last = history.at(-1);
  const tiles = [];
  if (verdict) {
    const [low, high] = verdict.interval95;
    tiles.push(["Accuracy", percent(verdict.accuracy_top1), `${(100 * low).toFixed(0)} to ${percent(high, 0)} of ${verdict.n}`]);
    if (verdict.accuracy_top5) tiles.push(["Among the first five", percent(verdict.accuracy_top5), "is the right class"]);
    tiles.push(["Loss", verdict.loss.toFixed(3), `${PARTS[verdict.split]} pictures`]);
    if (verdict.ece !== undefined) tiles.push(["Calibration error", percent(verdict.ece), verdict.temperature ? `temperature ${verdict.temperature.toFixed(2)}` : "as it answers"]);
  } else if (last) {
    if (last["val/acc"] !== undefined) tiles.push(["Validation accuracy", percent(last["val/acc"]), `best ${percent(Math.max(...history.map((row) => row["val/acc"])))}`]);
    tiles.push(["Training loss", last["train/loss"].toFixed(3), `accuracy ${percent(last["train/acc"])}`]);
  }
  if (last) {
    tiles.push(["Epochs", String(last.epoch), planned > last.epoch ? `of ${planned}` : "all"]);
    tiles.push(["Time", duration(last.time), `${Math.round(last.images_per_second)} pictures a second`]);
  }
  if (!tiles.length) return el("p", { class: "card faint" }, "The first epoch is not done yet.");
  return el("dl", { class: "figures" }, tiles.map(([name, value, more]) => el("div", {}, el("dt", {}, name), el("dd", {}, value, el("small", {}, more)))));
}

const points = (history, column) => history.filter((row) => row[column] !== undefined).map((row) => [row.epoch, row[column]]);

function accuracy(history, best, until) {
  const lines = [
    { name: "training", kind: "train", points: points(history, "train/acc") },
    { name: "validation", kind: "val", points: points(history, "val/acc") },
  ];
  return curves("Accuracy", lines, { told: (share) => percent(share, 0), from: 0, to: 1, mark: best, markName: "kept", until });
}

function loss(history, best, until) {
  const lines = [
    { name: "training", kind: "train", points: points(history, "train/loss") },
    { name: "validation", kind: "val", points: points(history, "val/loss") },
  ];
  return curves("Loss", lines, { told: (value) => value.toFixed(2), mark: best, markName: "kept", until });
}

function bestOf(history) {
  const judged = history.filter((row) => row["val/acc"] !== undefined);
  return judged.length ? judged.reduce((one, other) => (other["val/acc"] > one["val/acc"] ? other : one)).epoch : undefined;
}

function recipe({ args, environment }) {
  const rows = [...flat(args), ...flat(environment)].filter(([, value]) => value !== null && value !== "" && !(Array.isArray(value) && !value.length));
  const items = rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, Array.isArray(value) ? value.map(short).join(", ") : short(value))));
  return el("section", { class: "card" }, el("h3", {}, "Recipe and machine"), el("dl", { class: "recipe" }, items));
}

function flat(values, prefix = "") {
  return Object.entries(values).flatMap(([key, value]) =>
    value && typeof value === "object" && !Array.isArray(value) ? flat(value, `${prefix}${key}.`) : [[`${prefix}${key}`, value]],
  );
}

const short = (value) => (typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : value === true ? "yes" : value === false ? "no" : String(value));

function epochs(history, open) {
  const columns = [["epoch", (value) => String(value)], ["train/loss", (value) => value.toFixed(4)], ["train/acc", (value) => percent(value)], ["val/loss", (value) => value.toFixed(4)], ["val/acc", (value) => percent(value)], ["lr", (value) => value.toPrecision(2)], ["time", duration]];
  const there = columns.filter(([name]) => history.at(-1)[name] !== undefined);
  const rows = history.toReversed().map((row) => there.map(([name, told]) => (row[name] === undefined ? "" : told(row[name]))));
  return el("details", { class: "card epochs", open }, el("summary", {}, "Every epoch as a table"), table(there.map(([name]) => name), rows));
}

function log({ log: lines }) {
  return lines.length ? el("section", { class: "card" }, el("h3", {}, "The log's last lines"), el("pre", {}, lines.join("\n"))) : null;
}
