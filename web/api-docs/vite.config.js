import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const find = createRequire(import.meta.url).resolve;

/** What Swagger UI's licence (Apache 2.0, section 4) asks to be handed on with it. */
const licences = {
  name: "licences",
  generateBundle() {
    const files = ["LICENSE", "NOTICE", "swagger-ui-es-bundle.js.LICENSE.txt"];
    const source = files.map((file) => readFileSync(find(`swagger-ui-dist/${file}`), "utf8")).join("\n\n");
    this.emitFile({ type: "asset", fileName: "licences.txt", source });
  },
};

/** The API reference is served at /docs; large, but a page of its own that only developers open. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/docs/",
  plugins: [licences],
  build: {
    outDir: fileURLToPath(new URL("../../src/intellicall/web/pages/api-docs", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2_500,
    modulePreload: { polyfill: false },
  },
});
