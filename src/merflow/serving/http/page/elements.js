// Elements and words that the page is made of.

export function element(name, { text = "", className = "", ...properties } = {}) {
  return Object.assign(document.createElement(name), { textContent: text, className, ...properties });
}

export const percent = (share) => `${Math.round(100 * share)}%`;

export function listed(words, last = "and") {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

export function clock(value) {
  return `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")}`;
}

export function seconds(value) {
  return value < 60 ? `${value.toFixed(1)} s` : clock(value);
}
