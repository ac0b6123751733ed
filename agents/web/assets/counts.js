// What is counted of a place, machine, group or quantity, as a row: how many of its sensors are how ill.
"use strict";

const RANK_WORDS = { critical: "critical", warning: "warning", info: "information", anomaly: "anomaly open", disconnected: "disconnected", silent: "silent", late: "late", online: "there", unknown: "nothing has come" };
const ILL = Object.keys(RANK_WORDS).slice(0, 7);
const inRanks = counts => Object.entries(counts.ranked).filter(([, number]) => number);
const rankedInWords = counts => inRanks(counts).map(([rank, number]) => `${RANK_WORDS[rank]}: ${whole(number)}`).join(", ") || "no sensors";

/** Sensors as a bar: how many of each rank, the worst first; each that is ill is wide enough to be seen. */
function shareBar(counts) {
  const parts = inRanks(counts).map(([rank, number]) => make("i", { class: `rank ${rank}`, style: `flex-grow:${number}` }));
  return make("span", { class: "bar", role: "img", "aria-label": rankedInWords(counts), title: rankedInWords(counts) }, parts);
}

/** What chooses the sensors of a row: of a place with what lies below it, of a row of what stands there itself, or of none
    that is known. */
function chosenBy(row, by, searched) {
  const parameter = row.itself ? "place" : { place: "under", quantity: "measures" }[by] || by;
  const nowhere = by === "quantity" ? { state: "unknown" } : { without: by };
  return new URLSearchParams({ ...searched, ...(row.key ? { [parameter]: row.key } : nowhere) });
}
const sensorsIn = (row, by = "place", searched = {}) => `/?${chosenBy(row, by, searched)}`;
const devicesIn = (row, by = "place", searched = {}) => `/devices?${chosenBy(row, by, searched)}`;

/** What sensors are narrowed to where another page leads here, a place and the like, each to be taken away. */
const ONLY = { under: "in", place: "at", machine: "machine", group: "group", without: "without a known", measures: "measuring" };
const onlyIn = query => Object.fromEntries(Object.keys(ONLY).filter(name => query.get(name)).map(name => [name, query.get(name)]));
const onlyButtons = (only, goOn) => Object.entries(only).map(([name, text]) => make("button", { class: "page", "data-key": `${name} ${text}`, "aria-label": `Not only ${ONLY[name]} ${text}`, onclick: () => { delete only[name]; goOn(); at("find").focus(); } }, `${ONLY[name]} ${text} ✕`));
