/**
 * What the platform says in English (docs/endings.md, docs/errors.md), in Hindi, by reason and by code. What is not here keeps the
 * platform's own words.
 */
import type { EndReason } from "../../../shared/generated";

export interface Told {
  readonly title: string;
  readonly remedy: string;
}

export interface PlatformWords {
  readonly reasons: Readonly<Record<string, Told>>;
  readonly codes: Readonly<Record<string, Told>>;
}

const told = (title: string, remedy = ""): Told => ({ title, remedy });

const LATER = "थोड़ी देर बाद फिर कोशिश करें।";
const AGAIN_OR_OPERATOR = "फिर कोशिश करें; फिर भी न हो तो ऑपरेटर को बताएँ।";
const CALL_AGAIN = "फिर कॉल करें।";

const REASONS = {
  agent_hung_up: told("आपने कॉल काटी"),
  customer_hung_up: told("ग्राहक ने कॉल काटी"),
  guest_hung_up: told("तीसरे व्यक्ति ने कॉल काटी"),
  ended_by_account: told("आपके CRM ने कॉल समाप्त की"),
  max_length: told("कॉल की अधिकतम अवधि पूरी हो गई", "फिर कॉल करें, या ऑपरेटर से सीमा बढ़वाएँ।"),
  agent_left: told("सॉफ़्टफ़ोन बंद हो गया था", "कॉल के दौरान सॉफ़्टफ़ोन का टैब खुला रखें।"),
  transfer_failed: told("ट्रांसफ़र नहीं हो सका", "ग्राहक को फिर कॉल करें।"),
  transferred: told("आपने कॉल ट्रांसफ़र की"),
  left: told("आप कॉल से निकल गए"),
  customer_busy: told("ग्राहक की लाइन व्यस्त है", LATER),
  customer_rejected: told("ग्राहक ने कॉल लेने से मना किया", LATER),
  customer_no_answer: told("ग्राहक ने फ़ोन नहीं उठाया", LATER),
  customer_unavailable: told("ग्राहक का फ़ोन बंद है या नेटवर्क से बाहर है", LATER),
  agent_gave_up: told("ग्राहक के उठाने से पहले आपने कॉल काटी"),
  canceled_by_account: told("ग्राहक के उठाने से पहले आपके CRM ने कॉल समाप्त की"),
  agent_no_answer: told("आपका फ़ोन नहीं उठाया गया; ग्राहक को कॉल नहीं की गई", "देखें कि आप फ़ोन के पास हैं।"),
  agent_busy: told("आपका फ़ोन व्यस्त था; ग्राहक को कॉल नहीं की गई", "फ़ोन ख़ाली होने पर फिर कोशिश करें।"),
  agent_rejected: told("आपकी ओर से कॉल लेने से मना किया गया; ग्राहक को कॉल नहीं की गई", "तैयार होने पर फिर कोशिश करें।"),
  agent_unreachable: told(
    "आपके फ़ोन से संपर्क नहीं हो सका; ग्राहक को कॉल नहीं की गई",
    "अपना नंबर जाँचें, या देखें कि सॉफ़्टफ़ोन खुला और जुड़ा हुआ है।",
  ),
  agent_no_audio: told(
    "आपके सॉफ़्टफ़ोन से कोई आवाज़ नहीं आई; ग्राहक को कॉल नहीं की गई",
    "माइक्रोफ़ोन जाँचें, और यह कि नेटवर्क आवाज़ (UDP) को जाने देता है।",
  ),
  number_unknown: told("यह नंबर मौजूद नहीं है", "CRM रिकॉर्ड में नंबर ठीक करें।"),
  number_refused: told(
    "टेलीफ़ोन कंपनी ने इस नंबर पर कॉल करने से मना किया",
    "ऑपरेटर से पूछें कि ट्रंक पर यह नंबर और यह कॉलर ID चालू है या नहीं।",
  ),
  carrier_failure: told("टेलीफ़ोन कंपनी कॉल नहीं लगा सकी", AGAIN_OR_OPERATOR),
  carrier_timeout: told("टेलीफ़ोन कंपनी से जवाब नहीं आया", AGAIN_OR_OPERATOR),
  no_route: told("कॉल के लिए कोई ट्रंक उपलब्ध नहीं था", "ऑपरेटर इस कॉलर ID के ट्रंक जाँचें।"),
  engine_unavailable: told("टेलीफ़ोन सिस्टम उपलब्ध नहीं था; कोई कॉल नहीं की गई", "कुछ सेकंड बाद फिर कोशिश करें।"),
  dialed_too_late: told("फ़ोन समय पर नहीं लगाया जा सका, इसलिए कॉल नहीं की गई", AGAIN_OR_OPERATOR),
  audio_lost: told("एक ओर से आवाज़ आना बंद हो गई, इसलिए कॉल समाप्त की गई", AGAIN_OR_OPERATOR),
  engine_lost: told("कॉल के दौरान टेलीफ़ोन सिस्टम रुक गया", "फिर कॉल करें; सिस्टम अपने आप चालू हो जाता है।"),
  platform_restarted: told("कॉल जुड़ने से पहले प्लेटफ़ॉर्म फिर से चालू हुआ", CALL_AGAIN),
  restored: told("बैकअप के समय यह कॉल चल रही थी; आगे क्या हुआ पता नहीं", "एजेंट से पूछें कि कॉल कैसे समाप्त हुई।"),
  clock_set: told(
    "टेलीफ़ोन सिस्टम की घड़ी आगे कर दी गई, इसलिए कॉल समय से पहले समाप्त हो गई",
    "फिर कॉल करें; ऑपरेटर घड़ी NTP से सही रखें।",
  ),
  platform_error: told("हमारी ओर से कुछ गड़बड़ हुई", "फिर कॉल करें; फिर भी न हो तो ऑपरेटर को बताएँ।"),
  unexplained: told("कॉल समाप्त हुई और कारण पता नहीं चला", "फिर कॉल करें; फिर भी न हो तो ऑपरेटर को बताएँ।"),
} satisfies Record<EndReason, Told> & Record<string, Told>;

const CODES: Readonly<Record<string, Told>> = {
  account_disabled: told("अकाउंट बंद किया गया है", "प्लेटफ़ॉर्म के ऑपरेटर से पूछें।"),
  session_expired: told("सॉफ़्टफ़ोन का सेशन समाप्त हो गया", "अपने CRM में फिर डायल पर क्लिक करें।"),
  invalid_field: told("कोई जानकारी ग़लत है", "लिखी हुई जानकारी जाँचें।"),
  invalid_number: told("इस नंबर पर कॉल नहीं की जा सकती", "नंबर ठीक करें, जैसे +919876543210।"),
  unknown_agent: told("यह एजेंट रजिस्टर नहीं है", "अपने CRM एडमिन से कहें कि इस एजेंट को रजिस्टर करवाएँ।"),
  number_not_assigned: told("यह कॉलर ID आपके अकाउंट का नहीं है", "अपने अकाउंट का कोई नंबर इस्तेमाल करें।"),
  destination_not_allowed: told(
    "इस अकाउंट से इस नंबर पर कॉल की अनुमति नहीं है",
    "सैंडबॉक्स अकाउंट से सिर्फ़ टेस्ट नंबरों पर कॉल हो सकती है।",
  ),
  uuid_conflict: told("यह uuid किसी दूसरी कॉल का है", "अपने CRM एडमिन को बताएँ।"),
  idempotency_conflict: told("यह आदेश पहले किसी और काम के लिए भेजा जा चुका है", "फिर कोशिश करें।"),
  agent_offline: told("एजेंट का सॉफ़्टफ़ोन खुला नहीं है", "एजेंट अपना सॉफ़्टफ़ोन खोलें और टैब खुला रखें।"),
  agent_busy: told("एजेंट दूसरी कॉल पर हैं", "वह कॉल समाप्त होने पर फिर कोशिश करें।"),
  already_calling: told("इस ग्राहक को पहले से कॉल लग रही है", "कुछ करना नहीं है: चालू कॉल जारी है।"),
  call_limit_reached: told("अकाउंट की एक साथ कॉल की सीमा पूरी हो गई", "किसी कॉल के समाप्त होने तक रुकें, या सीमा बढ़वाएँ।"),
  too_many_requests: told("बहुत ज़्यादा अनुरोध", "थोड़ा रुककर फिर कोशिश करें।"),
  not_possible_now: told("यह अभी संभव नहीं है", "कॉल की स्थिति देखें: वह अभी-अभी बदली हो सकती है।"),
  engine_unavailable: told("टेलीफ़ोन सिस्टम अभी उपलब्ध नहीं है", "कोई कॉल नहीं की गई। कुछ सेकंड बाद फिर कोशिश करें।"),
  storage_unavailable: told("कॉल सेव नहीं हो सकी", "कोई कॉल नहीं की गई। कुछ सेकंड बाद फिर कोशिश करें।"),
  recording_disk_full: told("रिकॉर्डिंग के लिए डिस्क में जगह नहीं है", "कोई कॉल नहीं की गई। ऑपरेटर को बताएँ।"),
  launch_expired: told("यह लिंक पुराना हो गया है", "अपने CRM में फिर डायल पर क्लिक करें।"),
  launch_spent: told("इस क्लिक से कॉल पहले ही की जा चुकी है", "फिर कॉल करने के लिए CRM में फिर डायल पर क्लिक करें।"),
  not_found: told("यह अब उपलब्ध नहीं है", "कॉल की स्थिति देखें।"),
  recording_not_ready: told("कॉल अभी चालू है", "रिकॉर्डिंग कॉल समाप्त होने के बाद मिलेगी।"),
  internal_error: told("हमारी ओर से कुछ गड़बड़ हुई", AGAIN_OR_OPERATOR),
};

export const platformInHindi: PlatformWords = { reasons: REASONS, codes: CODES };
