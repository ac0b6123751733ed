// The navigation of every page, over both applications; <body> says where the pages of each are (agents/web/navigation.py).
"use strict";

// An address, or a port under the name by which this page was reached.
function placeOf(name) {
  const told = document.body.dataset[name];
  return told.startsWith(":") ? `${location.protocol}//${location.hostname}${told}` : told.replace(/\/+$/, "");
}
const sensorAt = (sensor, quantity) => `${placeOf("plant")}/?${new URLSearchParams({ sensor, quantity })}`;
const deviceAt = sensor => `${placeOf("plant")}/devices?${new URLSearchParams({ device: sensor })}`;
const traceAt = (sensor, at) => `/trace?${new URLSearchParams({ sensor, at: at.toFixed(3) })}`;
const modelsAt = (sensor, quantity) => `${placeOf("models")}/#${encodeURIComponent(sensor)}/${encodeURIComponent(quantity)}`;

/** Fill the page's <nav>: its own pages by path, so that they work under any name, the others by their address. */
function leadOn(here) {
  const own = here === "models" ? "models" : "plant", to = (name, path) => name === own ? path : placeOf(name) + path;
  const pages = { plant: ["Plant", to("plant", "/")], places: ["Places", to("plant", "/places")], devices: ["Devices", to("plant", "/devices")], letters: ["Dead letters", to("plant", "/dead-letters")], alarms: ["Alarms", to("plant", "/alarms")], rules: ["Rules", to("plant", "/rules")], tables: ["Tables", to("plant", "/tables")], trace: ["Trace and ledger", to("plant", "/trace")], models: ["Model analysis", to("models", "/")] };
  for (const [name, [text, href]] of Object.entries(pages)) {
    const link = document.createElement("a");
    link.textContent = text; link.href = href;
    if (name === here) link.setAttribute("aria-current", "page");
    document.querySelector("nav").append(link, " ");
  }
}
