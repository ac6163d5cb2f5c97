import { render } from "preact";
import { Crm } from "./crm";
import "./style.css";
import { App } from "./ui/App";

const root = document.querySelector("#app");
if (root === null) throw new Error("the page has no #app");

const crm = new Crm();
render(<App crm={crm} />, root);
void crm.run(document);
