// The live page: colours, publishing an event, the chart, and who is looked at.  Everything else is HTML from the server.
"use strict";

const $ = (id) => document.getElementById(id);
const SCHEMES = ["", "light", "dark"];
const SAID = { "": "as the system says", light: "light", dark: "dark" };

// -- colours ---------------------------------------------------------------------------------------------------------
function paint(scheme) {
  if (scheme) document.documentElement.dataset.theme = scheme;
  else delete document.documentElement.dataset.theme;
  $("theme").setAttribute("aria-label", `Colours: ${SAID[scheme]}`);
  localStorage.setItem("scheme", scheme);
  draw(true);
}
$("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || "";
  paint(SCHEMES[(SCHEMES.indexOf(now) + 1) % SCHEMES.length]);
});

// -- the connection --------------------------------------------------------------------------------------------------
function connected(is) {
  $("dot").className = is ? "dot on" : "dot off";
  $("connection").textContent = is ? "live" : "reconnecting";
}
document.body.addEventListener("htmx:sseOpen", (event) => { if (event.target.id === "live") connected(true); });
document.body.addEventListener("htmx:sseError", (event) => { if (event.target.id === "live") connected(false); });

// -- the chart -------------------------------------------------------------------------------------------------------
let chart = null;
function draw(anew) {
  const data = $("rate-data"), box = $("rate");
  if (!data || typeof uPlot === "undefined") return;
  const values = JSON.parse(data.dataset.values);
  const series = [values.map((_, place) => place - values.length + 1), values];
  if (anew && chart) { chart.destroy(); chart = null; }
  if (chart) { chart.setData(series); return; }
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  const probe = document.createElement("i");
  probe.className = "term-1";
  box.append(probe);
  const line = getComputedStyle(probe).backgroundColor || colour;
  probe.remove();
  chart = new uPlot({
    width: box.clientWidth || 300, height: 64, legend: { show: false }, cursor: { show: false },
    padding: [4, 0, 2, 0], scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(1, high)] } },
    axes: [{ show: false }, { show: false }],
    series: [{}, { stroke: line, width: 2, fill: line.replace("rgb(", "rgba(").replace(")", ", 0.14)"), points: { show: false } }],
  }, series, box);
}
const resized = new ResizeObserver(() => { if (chart) chart.setSize({ width: $("rate").clientWidth, height: 64 }); });

// -- times -----------------------------------------------------------------------------------------------------------
function tellTimes() {
  for (const time of document.querySelectorAll("time[data-at]")) {
    const seconds = Math.max(0, Math.round((Date.now() - Number(time.dataset.at)) / 1000));
    time.textContent = seconds < 60 ? `${seconds} s ago` : seconds < 3600 ? `${Math.round(seconds / 60)} min ago`
      : seconds < 86400 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} d ago`;
  }
}
setInterval(tellTimes, 1000);

// -- who is looked at ------------------------------------------------------------------------------------------------
function look(user) {
  htmx.ajax("GET", `/page/learner?userId=${encodeURIComponent(user)}`, { target: "#learner" }).then(() => $("learner").focus());
}
document.body.addEventListener("submit", (event) => {
  if (event.target.id === "pick") { event.preventDefault(); look(event.target.elements.user.value.trim()); }
});

// -- publishing ------------------------------------------------------------------------------------------------------
async function publish(kind) {
  const chosen = $("content").selectedOptions[0], user = $("learner-now").dataset.user;
  const event = { userId: user, contentId: chosen.value, contentType: chosen.dataset.kind, interactionType: kind, eventId: crypto.randomUUID() };
  if (kind === "COMPLETE") Object.assign(event, { completionRate: 1, timeSpent: 300 });
  if (kind === "RATE") event.rating = 5;
  if (kind === "ATTEMPT") Object.assign(event, { success: true, score: 0.9, timeSpent: 60 });
  const began = performance.now(), said = $("outcome");
  const answer = await fetch("/api/interactions", {
    method: "POST", headers: { "content-type": "application/json", prefer: "wait=2" }, body: JSON.stringify(event),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail || body.title || answer.statusText);
  await htmx.ajax("GET", `/page/learner?userId=${encodeURIComponent(user)}&token=${encodeURIComponent(body.token)}`, { target: "#learner" });
  said.dataset.milliseconds = String(Math.round(performance.now() - began));
  return `${kind.toLowerCase()}: folded and shown after ${said.dataset.milliseconds} ms`;
}
function say(text, failed) {
  const said = $("outcome");
  said.textContent = text;
  said.classList.toggle("failed", failed);
}
document.body.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]"), who = event.target.closest("[data-learner]");
  if (who) look(who.dataset.learner);
  if (act) publish(act.dataset.act).then((text) => say(text, false), (error) => say(`Not published: ${error.message}`, true));
});

// -- what swaps must not lose ----------------------------------------------------------------------------------------
let chosenContent = null;
document.body.addEventListener("change", (event) => { if (event.target.id === "content") chosenContent = event.target.value; });
document.body.addEventListener("htmx:beforeSwap", (event) => {
  // Nobody loses what they are typing because somebody else did something.
  if (event.target.id === "learner" && document.activeElement && document.activeElement.id === "user" && !event.detail.requestConfig.elt.matches?.("body")) event.detail.shouldSwap = document.activeElement.value === document.activeElement.defaultValue;
});
let known = new Set();
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "pipeline") draw(false);
  if (event.target.id === "ticker") {
    const lines = [...event.target.children], now = new Set(lines.map((one) => one.dataset.key));
    if (known.size) for (const one of lines) if (!known.has(one.dataset.key)) one.classList.add("new");
    known = now;
  }
  const content = $("content");
  if (content && chosenContent && [...content.options].some((one) => one.value === chosenContent)) content.value = chosenContent;
  tellTimes();
});
paint(localStorage.getItem("scheme") || "");

// -- the session -----------------------------------------------------------------------------------------------------
const RENEW_MS = 600_000, AGAIN_MS = 3_000;
async function begin(key) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  return fetch("/api/session", { method: "POST", headers }).then((answer) => answer.status, () => 503);
}
function open() {
  $("sign-in").hidden = true;
  $("app").replaceChildren($("everything").content.cloneNode(true));
  htmx.process($("app"));
  resized.observe($("rate"));
  setInterval(begin, RENEW_MS, "");
}
async function start(key) {
  const status = await begin(key);
  if (status < 300) open();
  else if (status === 401 || status === 403) {
    $("sign-in").hidden = false;
    $("sign-in-said").textContent = key ? "This key does not open the page." : "";
    $("connection").textContent = "signed out";
    $("key").focus();
  } else setTimeout(start, AGAIN_MS, key);
}
$("sign-in").addEventListener("submit", (event) => { event.preventDefault(); start($("key").value); $("key").value = ""; });
start("");
