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

/** The softphone is served at /softphone/; nothing is inlined, so that a strict content security policy holds. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/softphone/",
  plugins: [lightJsSip],
  build: {
    outDir: fileURLToPath(new URL("../../src/intellicall/web/pages/softphone", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
