// Elements from plain data. Texts become text nodes only: nothing here parses markup.

const svgNames = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(svgNames, tag), attributes, children);

// text sets the text of an element if it differs, so that selections stay.
export function text(element, value) {
  const next = value === undefined || value === null ? "" : String(value);
  if (element.textContent !== next) element.textContent = next;
  return element;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
  return element;
}

// keyed makes the children of container match items: one element for each key, in order. Elements
// stay, and with them the focus. Items of the same key have elements of their own.
export function keyed(container, items, keyOf, create, update) {
  const old = new Map([...container.children].map((child) => [child.dataset.key, child]));
  const seen = new Map();
  let at = container.firstElementChild;
  for (const item of items) {
    let key = String(keyOf(item));
    const before = seen.get(key) || 0;
    seen.set(key, before + 1);
    if (before) key += "\u0000" + before;
    let element = old.get(key);
    if (element) old.delete(key);
    else {
      element = create(item);
      element.dataset.key = key;
    }
    if (update) update(element, item);
    if (element === at) at = at.nextElementSibling;
    else container.insertBefore(element, at);
  }
  for (const element of old.values()) element.remove();
}

export function button(label, action, attributes) {
  return h("button", { type: "button", onclick: action, ...attributes }, label);
}
