// What the page says and draws of the score of a clip. emotions.js has the same functions for an emotion.

import { add, boxOf, ground, ticks } from "./chart.js";
import { element, seconds } from "./elements.js";

const capital = (word) => word[0].toUpperCase() + word.slice(1);
const short = (score) => score.toFixed(1).replace(/^-0\.0$/, "0.0");
const within = ({ low, high }) => `${short(low)} to ${short(high)}`;
const unsure = (answer, model) => model.abstains && !answer.sure;

/** Return the place of a score on the scale, 0 at its low end and 1 at its high one. */
function share(score, { low, high }) {
  return Math.min(Math.max((score - low) / (high - low), 0), 1);
}

/** Return 0 for the lower side of the scale, and 1 for the upper one. */
const sideOf = (answer, { middle }) => Number(answer.score > middle);

export const title = (model) => `The ${model.task} of a clip`;
export const intro = ({ task, scale }) => `This model rates the ${task} from ${scale.low} (${scale.sides[0]}) to ${scale.high} (${scale.sides[1]})`;
export const answerLabel = (model) => `${capital(model.task)} on its scale`;
export const timelineTitle = (model) => `${capital(model.task)} over time`;
export const timelineNote = (model) =>
  `A thick line is the score${model.calibrated ? ", the field around it its interval, hatched where the model is not sure" : ""}; the line across is the middle of the scale.`;
export const legend = ({ scale }) => Object.fromEntries(scale.sides.map((name, number) => [name, scale.colours[number]]));
export const differ = (answers, { scale }) =>
  new Set(answers.filter((answer) => !answer.error && answer.sure).map((answer) => sideOf(answer, scale))).size > 1;

export function verdict(answer, model) {
  const { low, middle, high, sides } = model.scale;
  const said = `${model.task} ${short(answer.score)}`;
  if (!model.calibrated) return [said, `On a scale from ${low} to ${high}. This model cannot say how far off its score may be.`];
  if (answer.sure) {
    const side = sideOf(answer, model.scale);
    return [`${said}, ${sides[side]}`, `Its interval, ${within(answer)}, is ${side ? "above" : "below"} the middle of the scale, ${middle}.`];
  }
  return [`Not sure: ${said}`, `Its interval, ${within(answer)}, contains the middle of the scale, ${middle}: it may be ${sides[0]} or ${sides[1]}.`];
}

/** Return the scale with the score and its interval. */
export function pictured(answer, model) {
  const { scale } = model;
  const row = element("li", { className: "scale" });
  const gauge = row.appendChild(element("div", { className: "gauge" }));
  const [place, doubts] = [(score) => `${100 * share(score, scale)}%`, unsure(answer, model)];
  gauge.setAttribute("role", "img");
  gauge.setAttribute("aria-label", `${short(answer.score)}${answer.low === null ? "" : `, ${within(answer)}`}`);
  gauge.style.setProperty("--middle", place(scale.middle));
  if (!doubts) gauge.style.setProperty("--own", `var(--${scale.colours[sideOf(answer, scale)]})`);
  if (answer.low !== null) {
    const band = gauge.appendChild(element("i", { className: doubts ? "band unsure" : "band" }));
    band.style.setProperty("--low", place(answer.low));
    band.style.setProperty("--high", place(answer.high));
  }
  gauge.appendChild(element("i", { className: "point" })).style.setProperty("--at", place(answer.score));
  const ends = row.appendChild(element("p", { className: "ends" }));
  const { low, middle, high, sides } = scale;
  ends.append(...[`${low} ${sides[0]}`, String(middle), `${high} ${sides[1]}`].map((text) => element("span", { text })));
  return [row];
}

export function timeline(parent, segments, model, duration) {
  const { scale } = model;
  const [top, height] = [6, 160];
  const [svg, width] = ground(parent, top + height + 28, `${timelineTitle(model)}; the table below has the numbers`);
  const at = (score) => top + (1 - share(score, scale)) * height;
  add(svg, "rect", { class: "field", x: 0, y: top, width, height });
  add(svg, "line", { class: "middle", x1: 0, x2: width, y1: at(scale.middle), y2: at(scale.middle) });
  segments.forEach((segment) => {
    const { answer } = segment;
    if (answer.error) return;
    const box = boxOf(segment, duration, width);
    const doubts = unsure(answer, model);
    const colour = doubts ? "var(--unsure)" : `var(--${scale.colours[sideOf(answer, scale)]})`;
    if (answer.low !== null) {
      const band = { ...box, y: at(answer.high), height: Math.max(1, at(answer.low) - at(answer.high)) };
      add(svg, "rect", { ...band, class: "interval" }).style.fill = colour;
      if (doubts) add(svg, "rect", { ...band, class: "unsure" });
    }
    add(svg, "rect", { ...box, y: at(answer.score) - 2, height: 4 }).style.fill = doubts ? "var(--ink)" : colour;
    const whole = add(svg, "rect", { ...box, y: top, height, fill: "transparent" });
    add(whole, "title", {}, `${seconds(segment.start_s)} to ${seconds(segment.end_s)}: ${cells(answer, model).filter(Boolean).join(", ")}`);
  });
  for (const [score, y] of [[scale.high, top + 14], [scale.middle, at(scale.middle) - 5], [scale.low, top + height - 5]]) {
    add(svg, "text", { class: "mark", x: 4, y }, String(score));
  }
  ticks(svg, duration, width, top + height);
  return svg;
}

export const columns = (model) => [capital(model.task), ...(model.calibrated ? ["Interval", "Side"] : [])];

export function cells(answer, model) {
  if (answer.error) return [answer.error, ...(model.calibrated ? ["", ""] : [])];
  if (!model.calibrated) return [short(answer.score)];
  return [short(answer.score), within(answer), answer.sure ? model.scale.sides[sideOf(answer, model.scale)] : "not sure"];
}
