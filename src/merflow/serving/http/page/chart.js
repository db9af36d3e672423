// Waveform, and the ground of a timeline, as SVG on one scale of time.

import { clock, seconds } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";

export function add(parent, name, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  parent.append(node);
  return node;
}

function canvas(parent, height, label) {
  parent.replaceChildren();
  const width = Math.max(200, parent.clientWidth);
  return [add(parent, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }), width];
}

export function ticks(svg, duration, width, height) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600].find((each) => duration / each <= width / 75) ?? 1200;
  for (let at = 0; at <= duration + 1e-6; at += step) {
    const x = (at / duration) * width;
    add(svg, "line", { class: "axis", x1: x, x2: x, y1: height, y2: height + 5 });
    const anchor = at === 0 ? "start" : x > width - 30 ? "end" : "middle";
    const label = duration >= 60 ? clock(at) : `${step < 1 ? at.toFixed(1) : Math.round(at)} s`;
    add(svg, "text", { class: "tick", x, y: height + 22, "text-anchor": anchor }, label);
  }
  add(svg, "line", { class: "axis", x1: 0, x2: width, y1: height, y2: height });
}

export function waveform(parent, envelope, duration) {
  const height = 110;
  const [svg, width] = canvas(parent, height + 28, `Waveform, ${seconds(duration)}`);
  const peak = Math.max(...envelope, 0.02);
  const step = width / envelope.length;
  const points = envelope.map((value, place) => {
    const half = Math.max(0.75, (value / peak) * (height / 2 - 3));
    return `M${(place * step).toFixed(2)} ${(height / 2 - half).toFixed(2)}h${(step * 0.8).toFixed(2)}v${(2 * half).toFixed(2)}h${(-step * 0.8).toFixed(2)}z`;
  });
  add(svg, "path", { class: "wave", d: points.join("") });
  ticks(svg, duration, width, height);
  return svg;
}

/** Return a timeline to draw on, with the pattern of what the model is not sure of. */
export function ground(parent, height, label) {
  const [svg, width] = canvas(parent, height, label);
  const hatch = add(add(svg, "defs"), "pattern", { id: "unsure", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  add(hatch, "line", { class: "hatch", x1: 0, x2: 0, y1: 0, y2: 7 });
  return [svg, width];
}

/** Return the place of a stretch of speech on a timeline. */
export function boxOf(segment, duration, width) {
  const [left, right] = [segment.start_s, segment.end_s].map((at) => (at / duration) * width);
  return { x: left, width: Math.max(0.5, right - left - 1) };
}

export function playhead(svg, media, duration) {
  const line = add(svg, "line", { class: "playhead", x1: 0, x2: 0, y1: 0, y2: svg.viewBox.baseVal.height - 28 });
  media.addEventListener("timeupdate", () => {
    const x = Math.min(1, media.currentTime / duration) * svg.viewBox.baseVal.width;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
  });
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    media.currentTime = ((event.clientX - box.left) / box.width) * duration;
    media.play();
  });
}
