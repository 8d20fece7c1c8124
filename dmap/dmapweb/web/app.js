// The page: the list of runs, or one run, by the query of the address.

import { h, text } from "./dom.js";
import { get } from "./api.js";
import { runsView } from "./runs.js";
import { runView } from "./run.js";
import { helpDialog, listen } from "./keys.js";

const main = document.getElementById("main");
const link = document.getElementById("link");
const crumbs = document.getElementById("crumbs");

// how the page gets its state: the class and the text of the note in its head
const links = { live: ["on", "live"], polling: ["slow", "polling"], stored: ["on", "from the bucket"], list: ["on", ""] };

function setLink(state) {
  const [name, label] = links[state] || ["off", state];
  link.className = "link " + name;
  text(link, label);
}

async function start() {
  const run = new URLSearchParams(location.search).get("run");
  document.getElementById("help-button").addEventListener("click", helpDialog);
  const session = { controls: false, redrive: false, why: "" };
  const ask = async () => Object.assign(session, await get("api/session"));
  try {
    await ask();
  } catch (error) {
    setLink(error.message);
    const again = setInterval(() => ask().then(() => clearInterval(again), () => {}), 5000); // the parts look at it
  }
  if (run) {
    crumbs.replaceChildren(h("a", { href: "./" }, "Runs"), h("span", { "aria-hidden": "true" }, " / "), h("span", { class: "crumb" }, run));
    listen(runView(main, run, session, setLink));
    return;
  }
  crumbs.replaceChildren(h("span", {}, "Runs"));
  listen(runsView(main, session, setLink));
}

start();
