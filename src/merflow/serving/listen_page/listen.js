// Playback and hands of the page, after pictures.js and the file of the model's task. Every segment can be read in the table without these scripts.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const audio = $("audio");
const player = document.querySelector(".player");
const dock = $("dock"); // a small player for when the large one is out of view
const hasSound = player.dataset.sound !== "";
const outline = Int8Array.from(atob(data.outline), (letter) => letter.charCodeAt(0));
const rows = [...document.querySelectorAll("#table tbody tr")];
const NOT_SURE = -1;
const REFUSED = -2;
const STEP_S = 5;

const view = { start: 0, length: 60 };
let position = 0; // seconds
let current = -1; // number of the segment at the position, or -1
let colours = {};

// ---- sound ----

/** Give the embedded sound to the player; a blob can be sought in every browser, a data address cannot. */
function loadSound() {
  const stored = $("sound");
  if (!stored || audio.src) return;
  const bytes = Uint8Array.from(atob(stored.textContent), (letter) => letter.charCodeAt(0));
  audio.src = URL.createObjectURL(new Blob([bytes], { type: stored.dataset.mime }));
  stored.remove();
}

function whenReady(action) {
  loadSound();
  if (audio.readyState >= 1) action();
  else audio.addEventListener("loadedmetadata", action, { once: true });
  if (audio.preload === "none") audio.load();
}

function play() {
  if (!hasSound) return;
  whenReady(() => {
    if (position >= data.duration - 0.05) seek(0);
    audio.currentTime = position;
    audio.play().catch(() => {});
  });
}

function toggle() {
  if (audio.paused) play();
  else audio.pause();
}

function seek(seconds) {
  position = Math.min(Math.max(seconds, 0), data.duration);
  if (hasSound && audio.readyState >= 1) audio.currentTime = position;
  show(position);
}

function tick() {
  if (audio.paused) return;
  position = audio.currentTime;
  show(position);
  requestAnimationFrame(tick);
}

audio.addEventListener("play", () => {
  document.body.classList.add("playing");
  $("play").setAttribute("aria-label", "Pause");
  requestAnimationFrame(tick);
});
audio.addEventListener("pause", () => {
  document.body.classList.remove("playing");
  $("play").setAttribute("aria-label", "Play");
});
audio.addEventListener("error", () => {
  if (!audio.src) return;
  const lost = document.createElement("p");
  lost.className = "note";
  lost.textContent = "The sound cannot be played. If it is a file next to this page, keep the two together.";
  $("now").replaceChildren(lost);
});

// ---- time ----

function timeText(seconds) {
  const tenths = Math.round(seconds * 10);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(tenths / 36000);
  const minutes = Math.floor(tenths / 600) % 60;
  const rest = `${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** Return the number of the last segment that starts at or before a time, or -1. */
function lastBefore(seconds) {
  let low = 0;
  let high = data.segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.segments[middle].start <= seconds) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function segmentAt(seconds) {
  const index = lastBefore(seconds);
  return index >= 0 && seconds < data.segments[index].end ? index : -1;
}

/** Show a time: the clock, the pictures, and the segment there. */
function show(seconds) {
  $("time").value = timeText(seconds);
  dock.querySelector(".at").textContent = timeText(seconds);
  $("seek").value = seconds;
  $("seek").setAttribute("aria-valuetext", timeText(seconds));
  if (seconds < view.start || seconds > view.start + view.length * 0.97) {
    view.start = Math.min(Math.max(seconds - view.length * 0.08, 0), Math.max(data.duration - view.length, 0));
  }
  const index = segmentAt(seconds);
  if (index !== current && (index >= 0 || audio.paused)) choose(index);
  draw();
}

function choose(index) {
  if (current >= 0) rows[current].removeAttribute("aria-current");
  current = index;
  dock.querySelector(".said").textContent = index < 0 ? "" : answerOf(data.segments[index]);
  if (index < 0) return;
  rows[index].setAttribute("aria-current", "true");
  $("now").replaceChildren(...described(data.segments[index]));
}

function element(tag, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Return what the panel says about a segment. */
function described(segment) {
  const left = element("div");
  left.append(element("p", "when", `${timeText(segment.start)} to ${timeText(segment.end)}`));
  left.append(element("p", "said", answerOf(segment)));
  if (segment.answer !== REFUSED) left.append(...beside(segment));
  if (segment.text) left.append(element("p", "text", `“${segment.text}”`));
  if (segment.notes) left.append(element("p", "doubt", segment.notes.join("; ")));
  return segment.answer === REFUSED ? [left] : [left, pictured(segment)];
}

// ---- hands ----

function timeUnder(event, start, length) {
  const box = event.target.getBoundingClientRect();
  return start + ((event.clientX - box.left) / box.width) * length;
}

$("overview").addEventListener("click", (event) => seek(timeUnder(event, 0, data.duration)));
$("detail").addEventListener("click", (event) => {
  const seconds = timeUnder(event, view.start, view.length);
  const index = segmentAt(seconds);
  const onName = event.clientY - event.target.getBoundingClientRect().top > LANE.sound[1];
  seek(index >= 0 && onName ? data.segments[index].start : seconds);
});
$("seek").addEventListener("input", (event) => seek(Number(event.target.value)));
$("play").addEventListener("click", toggle);

function goTo(index) {
  if (index >= 0 && index < data.segments.length) seek(data.segments[index].start);
}

function previous() {
  const index = lastBefore(position);
  goTo(index >= 0 && position - data.segments[index].start < 1 ? Math.max(index - 1, 0) : index);
}

$("previous").addEventListener("click", previous);
$("next").addEventListener("click", () => goTo(lastBefore(position) + 1));
$("speed").addEventListener("change", (event) => {
  audio.defaultPlaybackRate = audio.playbackRate = Number(event.target.value);
});
$("zoom").addEventListener("change", zoom);

function zoom() {
  view.length = Math.min(Number($("zoom").value) || data.duration, data.duration);
  view.start = Math.min(Math.max(position - view.length / 2, 0), data.duration - view.length);
  draw();
}

for (const row of rows) {
  row.querySelector(".seek").addEventListener("click", () => {
    goTo(Number(row.dataset.index));
    play();
  });
}

for (const filter of document.querySelectorAll(".filter")) {
  filter.addEventListener("change", () => {
    const chosen = new Set([...filter.querySelectorAll(":checked")].map((box) => box.value));
    for (const row of rows) row.hidden = row.dataset.answer !== "" && !chosen.has(row.dataset.answer);
    const seen = rows.filter((row) => !row.hidden).length;
    document.querySelector(".count").textContent = `${seen} of ${rows.length} segments`;
  });
}

dock.querySelector("button").addEventListener("click", toggle);
new IntersectionObserver(([seen]) => {
  dock.hidden = seen.isIntersecting || (audio.paused && position === 0);
}).observe(document.querySelector(".transport"));
audio.addEventListener("play", () => {
  const box = document.querySelector(".transport").getBoundingClientRect();
  dock.hidden = box.bottom > 0 && box.top < innerHeight;
});

const KEYS = {
  " ": toggle,
  ArrowLeft: () => seek(position - STEP_S),
  ArrowRight: () => seek(position + STEP_S),
  n: () => goTo(lastBefore(position) + 1),
  p: previous,
};
addEventListener("keydown", (event) => {
  const busy = event.target.closest("button, input, select, a, [tabindex]");
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select") || (busy && !/^[np]$/i.test(event.key))) return;
  event.preventDefault();
  action();
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readColours();
  draw();
});
new ResizeObserver(draw).observe($("detail"));
readColours();
if (player.clientWidth < 600) $("zoom").value = "30";
zoom();
document.documentElement.dataset.listening = "ready";
