// Bring what a node shows up to date in place: what is the same stays where it is, and with it focus, selection,
// opened details and scrolling. Children are matched by data-key where they have one, otherwise by place and kind; so
// a listener that knows what its node was made of needs a key that says it.
"use strict";

function keep(node, ...children) {
  const wanted = children.flat(Infinity).filter(each => each !== null && each !== undefined);
  const keyed = new Map([...node.children].filter(each => each.dataset.key).map(each => [each.dataset.key, each]));
  let place = node.firstChild;
  for (const each of wanted) {
    const next = each instanceof Node ? each : document.createTextNode(each);
    const known = next.dataset?.key ? keyed.get(next.dataset.key) : place;
    if (!known || !alike(known, next)) { node.insertBefore(next, place); continue; }
    if (known === place) place = place.nextSibling; else moveBefore(node, known, place);
    update(known, next);
  }
  while (place) { const gone = place; place = place.nextSibling; gone.remove(); }
}

function keepMarkup(node, markup) {
  const made = document.createElement("template");
  made.innerHTML = markup;
  keep(node, [...made.content.childNodes]);
}

const alike = (one, other) => one.nodeName === other.nodeName && one.dataset?.key === other.dataset?.key;

function moveBefore(node, child, place) {
  const focused = child.contains(document.activeElement) ? document.activeElement : null;
  node.insertBefore(child, place);
  focused?.focus({ preventScroll: true });
}

function update(known, next) {
  if (next.plotted) { known.draw(next.plotted); return; }
  if (known.dataset?.own !== undefined) return;  // it fills itself, with what its key says
  if (known.isEqualNode(next)) return;
  if (known.nodeType !== Node.ELEMENT_NODE) { known.data = next.data; return; }
  for (const { name } of [...known.attributes]) if (name !== "open" && !next.hasAttribute(name)) known.removeAttribute(name);
  for (const { name, value } of next.attributes) if (known.getAttribute(name) !== value) known.setAttribute(name, value);
  keep(known, [...next.childNodes]);
}

// What is shown while the server does not answer is old, and nothing of it is green.
const showStale = is => document.body.classList.toggle("stale", is);

// Under LANG=C a Chromium without a desktop calls its language en-US@posix, which Intl, and so uPlot, refuses.
try { Intl.getCanonicalLocales(navigator.language); } catch { Object.defineProperty(navigator, "language", { value: "en" }); }
