import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** JsSIP bundles its whole package.json, people's addresses included; it uses these two of it. */
const lightJsSip = {
  name: "light-jssip",
  transform: {
    filter: { id: /node_modules\/jssip\/package\.json$/ },
    handler(code) {
      const { title, version } = JSON.parse(code);
      return JSON.stringify({ title, version });
    },
    order: "pre",
  },
};

/** JsSIP logs through `debug`, which nobody reads here: the page keeps no log, and its part of the page goes to better things. */
const quietJsSip = {
  name: "quiet-jssip",
  transform: {
    filter: { id: /node_modules\/debug\/src\/browser\.js$/ },
    handler() {
      return "const quiet = () => () => {}; quiet.default = quiet; module.exports = quiet;";
    },
    order: "pre",
  },
};

/** The softphone is served at /softphone/; nothing is inlined, so that a strict content security policy holds. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/softphone/",
  plugins: [lightJsSip, quietJsSip],
  build: {
    outDir: fileURLToPath(new URL("../../src/intellicall/web/pages/softphone", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
