// Make elements, ask the server, and write numbers and times as all pages do.
"use strict";

const at = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
function make(name, attributes = {}, ...children) {
  const svg = ["svg", "path", "rect", "circle", "line", "text", "title"].includes(name);
  const node = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.setAttribute("class", value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined));
  return node;
}
// An answer in JSON; if it is none, or tells of an error, an error with the server's words.
async function answered(response) {
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error || answer.reason || response.status), { answer, status: response.status });
  return answer;
}
const get = async path => answered(await fetch(path, { cache: "no-cache" }));
// Puts something in force; where a token is asked for, its field is shown.
async function post(path, told, token) {
  const headers = { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  try { return await answered(await fetch(path, { method: "POST", headers, body: JSON.stringify(told) })); }
  catch (error) { if (error.status === 403) at("token-label").hidden = false; throw error; }
}
// What this browser keeps for who uses it; a private window keeps nothing.
const kept = {
  read: name => { try { return localStorage.getItem(name) || ""; } catch { return ""; } },
  write: (name, text) => { try { localStorage.setItem(name, text); } catch { /* it is not kept */ } },
};
function short(number) {
  if (number === null || number === undefined) return "–";
  const size = Math.abs(number);
  return size !== 0 && (size < 0.001 || size >= 1e7) ? number.toExponential(2) : String(+number.toFixed(size >= 1000 ? 1 : size >= 10 ? 2 : 3));
}
function span(seconds) {
  if (seconds < 120) return `${short(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} d`;
}
const whole = number => Math.round(number).toLocaleString("en");
const stamp = seconds => seconds === null || seconds === undefined ? "–" : new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
const sum = counts => Object.values(counts).reduce((total, each) => total + each, 0);

// What pages say of what does not answer.
const oldWords = error => `The worker does not answer (${error.message}); what is shown is old.`;
const silentWorkers = count => `${count} worker${count === 1 ? " does" : "s do"} not answer`;

// Does something now, and so many seconds after it is done again, while somebody looks.
function every(seconds, does) {
  const turn = async () => { if (!document.hidden) await does(); setTimeout(turn, 1000 * seconds); };
  turn();
}
// Does something once whoever types into a field pauses.
function whenTyped(field, does, milliseconds = 150) {
  let typing = 0;
  field.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(does, milliseconds); });
}
// Arrows go from entry to entry of a list or table, to what is first of such in each.
function goByArrows(list, such = "a") {
  list.addEventListener("keydown", event => {
    const entry = event.target.closest("tr, li"), to = { ArrowDown: entry?.nextElementSibling, ArrowUp: entry?.previousElementSibling }[event.key];
    if (!to) return;
    to.querySelector(such)?.focus(); event.preventDefault();
  });
}
// A click by which a browser opens a link elsewhere is left to it.
const opensElsewhere = event => event.ctrlKey || event.metaKey || event.shiftKey;
