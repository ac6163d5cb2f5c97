/** In which language the page speaks; each language says its own name. */
import { chooseLanguage, LANGUAGES, language, say } from "../language/language";
import { Globe } from "./icons";

export function LanguagePicker() {
  return (
    <label class="language">
      <Globe />
      <span class="visually-hidden">{say("language")}</span>
      <select
        data-testid="language"
        value={language.value}
        onChange={(event) => chooseLanguage(event.currentTarget.value, localStorage)}
      >
        {Object.entries(LANGUAGES).map(([code, name]) => (
          <option key={code} value={code} lang={code}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
