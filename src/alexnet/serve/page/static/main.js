// The page's start: which tabs there are, and the way between them.

import { askJson } from "./api.js";
import { start as startClassifying } from "./classify.js";
import { byId, PARTS, percent } from "./dom.js";
import { start as startReport } from "./report.js";

const about = await askJson("/page/about").catch((error) => {
  byId("subtitle").textContent = error.message;
  throw error;
});
const { network, run } = about;
document.title = run ? `${run} · alexnet` : "alexnet";
byId("subtitle").textContent = network ? introduction(network) : `watching ${run}`;

const tabs = { classify: byId("tab-classify"), run: byId("tab-run") };
const report = run ? startReport(byId("panel-run"), about) : null;
if (network) startClassifying(network);
if (network && run) {
  byId("tabs").hidden = false;
  for (const [name, tab] of Object.entries(tabs)) tab.addEventListener("click", () => show(name));
  byId("tabs").addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const name = tabs.classify.ariaSelected === "true" ? "run" : "classify";
    show(name);
    tabs[name].focus();
  });
  window.addEventListener("hashchange", () => show(location.hash === "#training" ? "run" : "classify"));
}
if (!network) {
  for (const panel of [byId("panel-run"), byId("panel-classify")]) {
    panel.removeAttribute("role"); // no tabs, so no panels of tabs
    panel.removeAttribute("aria-labelledby");
  }
  byId("reference").hidden = true;
}
show(network && location.hash !== "#training" ? "classify" : "run");

function show(name) {
  if (name === "run" && !run) return;
  for (const [other, tab] of Object.entries(tabs)) {
    tab.ariaSelected = String(other === name);
    tab.tabIndex = other === name ? 0 : -1;
    byId(`panel-${other}`).hidden = other !== name;
  }
  if (network) history.replaceState(null, "", name === "run" ? "#training" : location.pathname);
  report?.seen(name === "run");
}

function introduction(known) {
  const accuracy = known.accuracy ? ` · ${percent(known.accuracy)} of its ${PARTS[known.split]} pictures right` : "";
  return `${known.variant} · ${known.classes} classes${accuracy}`;
}
