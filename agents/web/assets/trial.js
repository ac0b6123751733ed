// Try a limit on the chosen series: what it would have raised over what MongoDB has, before it is saved; then apply it.
// A part of the worker's home page, whose functions and elements it uses.
"use strict";

let trialOf = null, typed = false, ranOver = false, trialTimer = 0, trialNumber = 0, rulesSeen = "", isTrying = false, isAskedAgain = false;
const sliders = [...at("limit").querySelectorAll("[data-of]")], numberOf = slider => at("limit").elements[slider.dataset.of];
const limitWords = { low: "low", high: "high", deadband: "back within by", delay_seconds: "for seconds", rise: "rise an hour", fall: "fall an hour", silent_after: "silent after seconds", silent_gaps: "silent after usual gaps", above_peers: "over its peers", below_peers: "under its peers", peers_of: "peers of", ahead_above: "expected over", ahead_below: "expected under", ahead: "within seconds ahead", ahead_share: "share that comes true", count: "times", within: "within seconds", when: "while" };
const limitText = limits => Object.entries(limitWords).filter(([name]) => name in limits).map(([name, word]) => `${word} ${typeof limits[name] === "string" ? limits[name] : short(limits[name])}`).join(", ");
function newTrial() {
  trialOf = null; typed = ranOver = false; trialNumber++; fill(at("tried")); fill(at("applied")); at("apply").hidden = true;
  for (const slider of sliders) slider.disabled = true;
  at("in-force").textContent = ""; at("limit").reset();
}
// A slider goes over what the series has measured, and a quarter beyond; its number says it exactly.
function slideOver(points) {
  if (!points.length) return;
  const least = Math.min(...points.map(p => p[4])), greatest = Math.max(...points.map(p => p[5])), room = (greatest - least || Math.abs(greatest) || 1) / 4;
  for (const slider of sliders) {
    Object.assign(slider, ofPeers(slider) ? { min: room / 100, max: 4 * room, step: room / 100 } : { min: least - room, max: greatest + room, step: room / 100 });
    placeSlider(slider);
  }
  ranOver = true; useSliders();
}
// Those of peers are of use once somebody says who the peers are: a rule, a setting, or who tries it.
const ofPeers = slider => slider.dataset.of.endsWith("_peers");
function useSliders() { for (const slider of sliders) slider.disabled = !ranOver || ofPeers(slider) && !at("limit").elements.peers_of.value.trim(); }
function placeSlider(slider) { const number = numberOf(slider).value; slider.value = number === "" ? (["low", "forecast_below"].includes(slider.dataset.of) ? slider.min : slider.max) : number; }
function showInForce({ sensor, quantity }, limits, peersBy) {
  const of = `${sensor}\n${quantity}`;
  at("trial-series").textContent = `on ${sensor} · ${quantity}`;
  at("in-force").textContent = limits ? `in force: ${limitText(limits)} (${limits.severity}, rule ${limits.rule}${limits.applied ? `, applied by ${limits.applied.by}: ${limits.applied.why}` : ""})` : "no limit is in force";
  if (trialOf === of) return; else trialOf = of;
  at("apply").elements.severity.value = limits?.severity || "warning"; at("apply").elements.by.value = kept.read("weir.by");
  if (typed) return;  // what somebody wants is not overwritten by what is in force
  const { low, high, deadband, minutes, count, within_minutes, when, forecast_above, forecast_below, forecast_hours, above_peers, below_peers, peers_of } = at("limit").elements;
  when.value = limits?.when || ""; peers_of.value = limits?.peers_of || peersBy || "";
  for (const [field, value] of [[low, limits?.low], [high, limits?.high], [deadband, limits?.deadband], [minutes, limits?.delay_seconds / 60], [count, limits?.count], [within_minutes, limits?.within / 60], [forecast_above, limits?.ahead_above], [forecast_below, limits?.ahead_below], [forecast_hours, limits?.ahead / 3600], [above_peers, limits?.above_peers], [below_peers, limits?.below_peers]]) field.value = value || value === 0 ? value : "";
  sliders.forEach(placeSlider); useSliders();
}
// One at a time, and then what was asked for last: a slider asks many times, and answers that nobody waits for would
// keep the last one waiting.
async function tryLimit() {
  if (isTrying) { isAskedAgain = true; return; }
  isTrying = true;
  try { do { isAskedAgain = false; await tryOnce(); } while (isAskedAgain); } finally { isTrying = false; }
}
async function tryOnce() {
  const asked = new FormData(at("limit")), mine = ++trialNumber, { sensor, quantity } = chosen;
  if (!sliders.some(slider => asked.get(slider.dataset.of))) { fill(at("tried"), make("div", { class: "empty" }, "Give a low or a high limit, of values, of what is expected, or of how far it may be from its peers.")); return; }
  const query = new URLSearchParams({ sensor, quantity, points: 300, from: (Date.now() / 1000 - asked.get("days") * 86400).toFixed(3) });
  for (const name of ["low", "high", "deadband", "minutes"]) if (asked.get(name)) query.set(name, asked.get(name));
  for (const [name, value] of askedBeside(asked)) query.set(name, value);
  let shown, works = false;
  try { const found = await get(`/api/rules/try?${query}`); shown = trialShown(found); rulesSeen = found.rules; works = true; } catch (error) { shown = [make("div", { class: "bad" }, error.message)]; }
  if (mine !== trialNumber) return;
  fill(at("tried"), shown); at("apply").hidden = !works || isAskedAgain;  // nothing is applied that is not tried yet
}
// How often, while what and where to: given empty they are taken away, so they are always said.
function askedBeside(form) {
  return [["count", form.get("count")], ["when", form.get("when")], ["forecast_above", form.get("forecast_above")], ["forecast_below", form.get("forecast_below")], ["forecast_hours", form.get("forecast_hours") || 6], ["above_peers", form.get("above_peers")], ["below_peers", form.get("below_peers")], ...(form.get("peers_of").trim() ? [["peers_of", form.get("peers_of").trim()]] : []), ...(form.get("count") ? [["within_minutes", form.get("within_minutes") || 10]] : [])];
}
const ofValues = ["low", "high", "rise", "fall", "ahead_above", "ahead_below"];
function judgedBy(t) {
  if (t.readings !== null) return "From each reading";
  return t.peers && !t.peers.hours_rough && !ofValues.some(name => name in t.limits) ? "From the mean of each window" : "Approximate";
}
function trialShown(t) {
  const { low, high, ahead_above, ahead_below, above_peers, below_peers } = t.limits, told = load => `${whole(load.alarms)} alarm${load.alarms === 1 ? "" : "s"}, ${span(60 * load.minutes_in_alarm)} in alarm`;
  return [make("p", {}, make("b", {}, `It would have raised ${told(t)}`), `, the longest ${span(60 * t.longest_minutes)}, ${short(t.per_operator_hour)} an hour for one who answers; in force now: ${told(t.in_force)}. Against that ${whole(t.appear)} appear, ${whole(t.vanish)} vanish, ${whole(t.move)} move.`),
    chart(t.points.map(p => [p[0], p[2]]), [], t.anomalies, t.points.map(p => [p[0], p[4], p[5]]), [low, high, ahead_below, ahead_above].filter(each => each !== undefined)),
    ...(t.peers ? [make("p", { "data-key": "away-of", class: "quiet" }, `Away from the median of its peers (${t.peers.group}, ${whole(t.peers.members)} with it):`),
      make("div", { "data-key": "away", id: "away-from-peers" }, chart(t.peers.points.map(p => [p[0], p[1]]), [], t.anomalies.filter(a => a.cause === "deviation"), t.peers.points.map(p => [p[0], p[2], p[3]]), [above_peers, below_peers === undefined ? below_peers : -below_peers].filter(each => each !== undefined)))] : []),
    make("p", { class: "quiet" }, `${judgedBy(t)}: ${t.why_not_exact.join("; ")}. Exact, in the order of arrival: weir rules check.`)];
}

async function applyLimit() {
  const limit = new FormData(at("limit")), said = new FormData(at("apply")), { sensor, quantity } = chosen;
  const wanted = { sensor, quantity, severity: said.get("severity"), by: said.get("by").trim(), why: said.get("why").trim(), follows: rulesSeen };
  for (const name of ["low", "high", "deadband", "minutes"]) if (limit.get(name)) wanted[name] = Number(limit.get(name));
  for (const [name, value] of askedBeside(limit)) wanted[name] = value;
  kept.write("weir.by", wanted.by);
  fill(at("applied"), make("p", { class: "quiet" }, "Applying …"));
  try {
    const answer = await post("/api/rules", wanted, said.get("token"));
    fill(at("applied"), make("p", {}, answer.applied ? `In force from now on, as rule ${answer.applied.fingerprint}: what it raises names it.` : "This is in force already."));
  } catch (error) {
    fill(at("applied"), make("p", { class: "bad" }, error.status ? error.message : `Not known whether it was applied: ${error.message}`));
    if (error.status !== 409) return;
  }
  tryLimit(); showDetail().catch(complain);
}

at("limit").addEventListener("submit", event => { event.preventDefault(); tryLimit(); });
at("limit").addEventListener("input", event => {
  const of = event.target.dataset.of;
  typed = true;
  if (of) numberOf(event.target).value = +Number(event.target.value).toPrecision(4); else { sliders.forEach(placeSlider); useSliders(); }
  clearTimeout(trialTimer); trialTimer = setTimeout(tryLimit, 300);
});
at("apply").addEventListener("submit", event => { event.preventDefault(); applyLimit(); });
