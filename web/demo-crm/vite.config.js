import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** The demo CRM is its own small server's front page, served at /. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/",
  build: {
    outDir: fileURLToPath(new URL("../../src/intellicall/web/pages/demo-crm", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
