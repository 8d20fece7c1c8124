// Redrive of failures: a preview of the set, a trial of ten, then all.

import { h, text, button } from "./dom.js";
import { get, post, runPath, query } from "./api.js";
import { count } from "./format.js";
import { openDialog } from "./keys.js";
import { firstLine } from "./failures.js";

export async function redriveDialog(context, group, title) {
  const body = h("div", { class: "drawer-body" }, h("p", { class: "empty" }, "Counting the items."));
  openDialog("Redrive", "confirm redrive", body);
  let p;
  try {
    p = await get(runPath(context.key, "/redrive") + query({ group }));
  } catch (error) {
    body.replaceChildren(h("p", { class: "error" }, error.message));
    return;
  }
  const result = h("p", { class: "notice", role: "status", hidden: true });
  const begin = async (trial) => {
    for (const control of controls) control.disabled = true;
    try {
      await post(runPath(context.key, "/redrive"), { group, trial });
      text(result, "The redrive has begun: the page follows it.");
      setTimeout(() => location.reload(), 1500);
    } catch (error) {
      text(result, error.message);
      for (const control of controls) control.disabled = false;
    }
    result.hidden = false;
  };
  const allowed = p.possible && context.session.redrive;
  const controls = [
    button("Try " + count(p.trial) + " of them", () => begin(true), { class: "main", disabled: !allowed }),
    button("Redrive all " + count(p.items), () => begin(false), { disabled: !allowed }),
  ];
  body.replaceChildren(
    h("p", { class: "message" }, title), h("p", { id: "preview" }, p.text),
    p.samples && p.samples.length ? h("ul", { class: "samples" }, p.samples.map((s) => h("li", {}, h("code", {}, s.id), h("span", { class: "message" }, firstLine(s.error))))) : "",
    p.why ? h("p", { class: "next" }, p.why) : !context.session.redrive ? h("p", { class: "next" }, context.session.why) : "",
    h("div", { class: "actions" }, controls), result);
}
