/** Swagger UI ships no types; these are the settings that the page uses. */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  interface Settings {
    url: string;
    dom_id: string;
    deepLinking: boolean;
    docExpansion: "list" | "full" | "none";
    defaultModelsExpandDepth: number;
    filter: boolean;
    persistAuthorization: boolean;
    showExtensions: boolean;
    tryItOutEnabled: boolean;
    validatorUrl: string;
  }
  export default function SwaggerUI(settings: Settings): unknown;
}
