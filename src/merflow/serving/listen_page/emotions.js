"use strict";
// What the page says and draws of a segment's emotion. scores.js has the same functions for a score.

const AREAS = 74; // height of the timeline

function answerOf(segment) {
  if (segment.answer === REFUSED) return "no prediction";
  return segment.answer === NOT_SURE ? "not sure" : data.classes[segment.answer];
}

function shortAnswerOf(segment) {
  return answerOf(segment);
}

/** Return lines of the panel below the answer. */
function beside(segment) {
  if (segment.answer !== NOT_SURE || !segment.possible.length) return [];
  const names = segment.possible.map((number) => data.classes[number]);
  return [element("p", "possible", `possible: ${names.join(", ")}`)];
}

/** Return the panel's picture of an answer: a bar per emotion. */
function pictured(segment) {
  const bars = element("ul", "bars");
  data.classes.forEach((name, number) => {
    const bar = element("li", segment.answer === NOT_SURE && !segment.possible.includes(number) ? "ruled-out" : "");
    const track = element("i");
    track.style.setProperty("--share", `${segment.own[number] / 10}%`);
    track.style.setProperty("--own", `var(--${data.colours[number]})`);
    bar.append(element("span", "", name), track, element("span", "", `${Math.round(segment.own[number] / 10)}%`));
    bars.append(bar);
  });
  return bars;
}

function drawBehind() {}

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

function drawBefore() {}

