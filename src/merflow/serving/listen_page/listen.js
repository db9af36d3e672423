"use strict";
// Playback and pictures of the page. Every segment can be read in the table without this script.

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
  lost.textContent = "The sound cannot be played. If it is a file beside this page, keep the two together.";
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

function answerOf(segment) {
  if (segment.answer === REFUSED) return "no prediction";
  return segment.answer === NOT_SURE ? "not sure" : data.classes[segment.answer];
}

/** Return what the panel says about a segment. */
function described(segment) {
  const left = element("div");
  left.append(element("p", "when", `${timeText(segment.start)} to ${timeText(segment.end)}`));
  left.append(element("p", "said", answerOf(segment)));
  if (segment.answer === NOT_SURE && segment.possible.length) {
    const names = segment.possible.map((number) => data.classes[number]);
    left.append(element("p", "possible", `possible: ${names.join(", ")}`));
  }
  if (segment.text) left.append(element("p", "text", `“${segment.text}”`));
  if (segment.notes) left.append(element("p", "doubt", segment.notes.join("; ")));
  if (!segment.own) return [left];
  const bars = element("ul", "bars");
  data.classes.forEach((name, number) => {
    const bar = element("li", segment.answer === NOT_SURE && !segment.possible.includes(number) ? "ruled-out" : "");
    const track = element("i");
    track.style.setProperty("--share", `${segment.own[number] / 10}%`);
    track.style.setProperty("--own", `var(--${data.colours[number]})`);
    bar.append(element("span", "", name), track, element("span", "", `${Math.round(segment.own[number] / 10)}%`));
    bars.append(bar);
  });
  return [left, bars];
}

// ---- pictures ----

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = [...data.colours, "unsure", "hatch", "quiet", "ink", "muted", "line", "soft", "mark", "surface"];
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function colourOf(segment) {
  if (segment.answer === REFUSED) return colours.quiet;
  return segment.answer === NOT_SURE ? colours.unsure : colours[data.colours[segment.answer]];
}

/** Return a canvas's context, cleared and scaled to the screen. */
function fresh(canvas) {
  const height = Number(canvas.dataset.height ?? (canvas.dataset.height = canvas.getAttribute("height")));
  const width = canvas.clientWidth;
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width];
}

/** Draw the sound between two times, each column in the colour of its segment. */
function drawSound(context, { start, length, width, top, height }) {
  const middle = top + height / 2;
  const points = outline.length / 2;
  let index = Math.max(lastBefore(start), 0);
  for (let x = 0; x < width; x++) {
    const from = start + (x / width) * length;
    const first = Math.floor(from / data.stretch);
    const last = Math.min(Math.max(Math.floor((from + length / width) / data.stretch), first + 1), points);
    let low = 0;
    let high = 0;
    for (let point = first; point < last; point++) {
      low = Math.min(low, outline[2 * point]);
      high = Math.max(high, outline[2 * point + 1]);
    }
    while (index < data.segments.length && data.segments[index].end < from) index++;
    const segment = data.segments[index];
    context.fillStyle = segment && segment.start <= from ? colourOf(segment) : colours.quiet;
    const reach = ((high - low) / 254) * height;
    context.fillRect(x, middle - (high / 127) * (height / 2), 1, Math.max(reach, 1));
  }
}

function eachSeen(start, length, action) {
  for (let index = Math.max(lastBefore(start), 0); index < data.segments.length; index++) {
    if (data.segments[index].start > start + length) return;
    if (data.segments[index].end >= start) action(data.segments[index], index);
  }
}

function hatch(context, x, y, width, height) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colours.hatch;
  context.beginPath();
  for (let from = x - height; from < x + width; from += 6) {
    context.moveTo(from, y + height);
    context.lineTo(from + height, y);
  }
  context.stroke();
  context.restore();
}

function drawPlayhead(context, x, height) {
  context.fillStyle = colours.ink;
  context.fillRect(x - 0.75, 0, 1.5, height);
}

function drawOverview() {
  const [context, width] = fresh($("overview"));
  drawSound(context, { start: 0, length: data.duration, width, top: 0, height: 52 });
  const shown = view.length < data.duration;
  if (shown) {
    context.strokeStyle = colours.mark;
    context.lineWidth = 1.5;
    const x = (view.start / data.duration) * width;
    context.strokeRect(x + 1, 1, Math.max((view.length / data.duration) * width - 2, 3), 50);
  }
  drawPlayhead(context, (position / data.duration) * width, 52);
}

const LANE = { sound: [0, 110], names: [118, 26], areas: [152, 74], axis: 232 };

function drawDetail() {
  const [context, width] = fresh($("detail"));
  const { start, length } = view;
  const at = (seconds) => ((seconds - start) / length) * width;
  context.font = `600 12px ${getComputedStyle(document.body).fontFamily}`;
  drawSound(context, { start, length, width, top: LANE.sound[0], height: LANE.sound[1] });
  context.fillStyle = colours.soft;
  context.fillRect(0, LANE.areas[0], width, LANE.areas[1]);
  eachSeen(start, length, (segment, index) => {
    const x = at(segment.start);
    const wide = Math.max(at(segment.end) - x, 1);
    drawName(context, segment, x, wide);
    drawAreas(context, segment, x, wide);
    if (index === current) {
      context.strokeStyle = colours.ink;
      context.lineWidth = 1.5;
      context.strokeRect(x + 0.75, LANE.names[0] + 0.75, Math.max(wide - 1.5, 1), LANE.names[1] - 1.5);
    }
  });
  drawAxis(context, width, at);
  if (position >= start && position <= start + length) drawPlayhead(context, at(position), LANE.axis - 4);
}

/** Draw a segment's own emotion, with its name where there is room. */
function drawName(context, segment, x, wide) {
  const [top, height] = LANE.names;
  context.fillStyle = colourOf(segment);
  context.fillRect(x, top, wide, height);
  if (segment.answer === NOT_SURE) hatch(context, x, top, wide, height);
  const from = Math.max(x, 0);
  const room = Math.min(x + wide, context.canvas.clientWidth) - from;
  const name = answerOf(segment);
  const needed = context.measureText(name).width;
  if (needed + 12 > room) return;
  if (segment.answer < 0) {
    context.fillStyle = colours.surface;
    context.fillRect(from + 4, top + 4, needed + 6, height - 8);
  }
  context.fillStyle = segment.answer < 0 ? colours.ink : colours.surface;
  context.fillText(name, from + (segment.answer < 0 ? 7 : 6), top + 17);
}

/** Draw a segment's smoothed probabilities on top of each other. */
function drawAreas(context, segment, x, wide) {
  if (!segment.smoothed) return;
  const [top, height] = LANE.areas;
  let y = top + height;
  segment.smoothed.forEach((share, number) => {
    const high = (share / 1000) * height;
    context.globalAlpha = segment.answer === NOT_SURE ? 0.5 : 0.9;
    context.fillStyle = colours[data.colours[number]];
    context.fillRect(x, y - high, wide, high + 0.5);
    y -= high;
  });
  context.globalAlpha = 1;
}

const TICKS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

function drawAxis(context, width, at) {
  const least = (view.length / width) * 70;
  const step = TICKS_S.find((seconds) => seconds >= least) ?? 14400;
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  context.fillStyle = colours.muted;
  for (let seconds = Math.ceil(view.start / step) * step; seconds <= view.start + view.length; seconds += step) {
    const text = timeText(seconds).slice(0, -2);
    const x = Math.min(Math.max(at(seconds) - context.measureText(text).width / 2, 0), width - 40);
    context.fillText(text, x, LANE.axis + 12);
  }
}

function draw() {
  drawOverview();
  drawDetail();
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
