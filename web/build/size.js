/**
 * Adds up, gzipped, everything that a page loads by itself; fails above its budget, on any address of somebody else, and on
 * anything inline that a strict content security policy would block.
 */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const PAGES = new URL("../../src/intellicall/web/pages/", import.meta.url);
const BUDGETS = [
  { page: "softphone", base: "/softphone/", kilobytes: 100 },
  { page: "demo-crm", base: "/", kilobytes: 60 },
];

function weigh({ page, base, kilobytes }) {
  const folder = new URL(`${page}/`, PAGES);
  const html = readFileSync(new URL("index.html", folder), "utf8");
  const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]);
  const files = links.map((link) => {
    if (!link.startsWith(base)) throw new Error(`${page} loads ${link} from elsewhere`);
    return readFileSync(new URL(link.slice(base.length), folder));
  });
  const text = [html, ...files.map((file) => file.toString("utf8"))].join("\n");
  for (const [what, pattern] of FORBIDDEN) {
    const found = text.match(pattern);
    if (found) throw new Error(`${page} has ${what}: ${found[0].slice(0, 80)}`);
  }
  const bytes = [Buffer.from(html), ...files].reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0);
  console.log(`${page}: ${(bytes / 1000).toFixed(1)} kB of ${kilobytes} kB gzipped, ${files.length + 1} files`);
  return bytes <= kilobytes * 1000;
}

/** Addresses in quotes or brackets; the XML namespaces of SVG and MathML are names, nothing is fetched from them. */
const FORBIDDEN = [
  ["another host's address", /["'`(]https?:\/\/(?!www\.w3\.org\/)[a-z0-9-]+\.[a-z]/],
  ["an inline script", /<script(?![^>]*\bsrc=)/],
  ["an inline style", /<style|<[a-z]+[^>]*\sstyle="/],
  ["eval", /\beval\(|new Function\(/],
  ["a data address", /url\(["']?data:/],
];

const fitting = BUDGETS.map(weigh);
if (!fitting.every(Boolean)) {
  console.error("Over budget.");
  process.exit(1);
}
