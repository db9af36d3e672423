"use strict";
// Pictures of the page: the whole recording, and the part of it that is in view. listen.js draws them.

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

const LANE = { sound: [0, 110], names: [118, 26], areas: [152, AREAS], axis: 158 + AREAS };

function drawDetail() {
  const [context, width] = fresh($("detail"));
  const { start, length } = view;
  const at = (seconds) => ((seconds - start) / length) * width;
  context.font = `600 12px ${getComputedStyle(document.body).fontFamily}`;
  drawSound(context, { start, length, width, top: LANE.sound[0], height: LANE.sound[1] });
  context.fillStyle = colours.soft;
  context.fillRect(0, LANE.areas[0], width, LANE.areas[1]);
  drawBehind(context, width);
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
  drawBefore(context, width, at);
  drawAxis(context, width, at);
  if (position >= start && position <= start + length) drawPlayhead(context, at(position), LANE.axis - 4);
}

/** Draw a segment's own answer, in short where there is room. */
function drawName(context, segment, x, wide) {
  const [top, height] = LANE.names;
  context.fillStyle = colourOf(segment);
  context.fillRect(x, top, wide, height);
  if (segment.answer === NOT_SURE) hatch(context, x, top, wide, height);
  const from = Math.max(x, 0);
  const room = Math.min(x + wide, context.canvas.clientWidth) - from;
  const name = shortAnswerOf(segment);
  const needed = context.measureText(name).width;
  if (needed + 12 > room) return;
  if (segment.answer < 0) {
    context.fillStyle = colours.surface;
    context.fillRect(from + 4, top + 4, needed + 6, height - 8);
  }
  context.fillStyle = segment.answer < 0 ? colours.ink : colours.surface;
  context.fillText(name, from + (segment.answer < 0 ? 7 : 6), top + 17);
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

