import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** The style of the pages that the server renders itself, under a stable name: pages/assets/plain.css. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  build: {
    outDir: fileURLToPath(new URL("../../src/intellicall/web/pages/assets", import.meta.url)),
    emptyOutDir: true,
    rolldownOptions: {
      input: fileURLToPath(new URL("plain.css", import.meta.url)),
      output: { assetFileNames: "[name][extname]" },
    },
  },
});
