"use strict";
// What the page says and draws of a segment's score. emotions.js has the same functions for an emotion.

const AREAS = 120; // height of the timeline
const JOIN_S = 10; // the smoothed line goes on over pauses up to this length

function answerOf(segment) {
  return segment.answer === REFUSED ? "no prediction" : segment.said;
}

function shortAnswerOf(segment) {
  return segment.answer === REFUSED ? "no prediction" : segment.short;
}

/** Return the place of a score on the scale, 0 at its low end and 1 at its high one. */
function share(score) {
  const { low, high } = data.scale;
  return Math.min(Math.max((score - low) / (high - low), 0), 1);
}

/** Return lines of the panel below the answer. */
function beside(segment) {
  return [element("p", "possible", `smoothed: ${segment.smoothed.toFixed(1).replace(/^-0\.0$/, "0.0")}`)];
}

/** Return the panel's picture of an answer: the scale with the score and its interval. */
function pictured(segment) {
  const box = element("div", "scale");
  const gauge = box.appendChild(element("div", "gauge"));
  gauge.style.setProperty("--middle", `${100 * share(data.scale.middle)}%`);
  if (segment.low !== null) {
    const band = gauge.appendChild(element("i", segment.answer === NOT_SURE ? "band unsure" : "band"));
    band.style.setProperty("--low", `${100 * share(segment.low)}%`);
    band.style.setProperty("--high", `${100 * share(segment.high)}%`);
  }
  const point = gauge.appendChild(element("i", "point"));
  point.style.setProperty("--at", `${100 * share(segment.score)}%`);
  if (segment.answer >= 0) gauge.style.setProperty("--own", `var(--${data.colours[segment.answer]})`);
  const ends = box.appendChild(element("p", "ends"));
  const { low, middle, high, sides } = data.scale;
  ends.append(element("span", "", `${low} ${sides[0]}`), element("span", "", middle), element("span", "", `${high} ${sides[1]}`));
  return box;
}

function heightOf(score) {
  const [top, height] = LANE.areas;
  return top + (1 - share(score)) * height;
}

/** Draw the middle of the scale. */
function drawBehind(context, width) {
  context.fillStyle = colours.line;
  context.fillRect(0, heightOf(data.scale.middle) - 0.75, width, 1.5);
}

/** Draw a segment's interval and score. */
function drawAreas(context, segment, x, wide) {
  if (segment.answer === REFUSED) return;
  context.fillStyle = colourOf(segment);
  if (segment.low !== null) {
    const [top, bottom] = [heightOf(segment.high), heightOf(segment.low)];
    context.globalAlpha = 0.35;
    context.fillRect(x, top, wide, Math.max(bottom - top, 1));
    context.globalAlpha = 1;
    if (segment.answer === NOT_SURE) hatch(context, x, top, wide, bottom - top);
  }
  if (segment.answer === NOT_SURE) context.fillStyle = colours.muted;
  context.fillRect(x, heightOf(segment.score) - 2, wide, 4);
}

/** Draw the smoothed score, and the numbers of the scale. */
function drawBefore(context, width, at) {
  context.strokeStyle = colours.ink;
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.beginPath();
  let before = null;
  const first = Math.max(lastBefore(view.start) - 1, 0);
  for (const segment of data.segments.slice(first)) {
    if (segment.smoothed === undefined) continue;
    const x = at((segment.start + segment.end) / 2);
    const y = heightOf(segment.smoothed);
    if (before !== null && segment.start - before.end <= JOIN_S) context.lineTo(x, y);
    else {
      context.moveTo(at(segment.start), y);
      context.lineTo(x, y);
    }
    before = segment;
    if (segment.start > view.start + view.length) break;
  }
  context.stroke();
  const [top, height] = LANE.areas;
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  for (const [score, y] of [[data.scale.high, top + 13], [data.scale.middle, heightOf(data.scale.middle) + 4], [data.scale.low, top + height - 4]]) {
    context.fillStyle = colours.surface;
    context.globalAlpha = 0.75;
    context.fillRect(0, y - 11, context.measureText(score).width + 8, 14);
    context.globalAlpha = 1;
    context.fillStyle = colours.muted;
    context.fillText(score, 4, y);
  }
}

