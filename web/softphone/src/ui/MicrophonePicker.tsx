/** Which microphone, as the system names it. */
import { say } from "../language/language";
import type { Device } from "../microphone";
import type { Devices } from "../softphone";
import { Mic } from "./icons";

interface Props {
  devices: Devices;
  onChoose: (device: Device) => void;
}

export function MicrophonePicker({ devices, onChoose }: Props) {
  if (devices.all.length === 0) return null;
  const choose = (event: Event) => {
    const id = (event.currentTarget as HTMLSelectElement).value;
    const device = devices.all.find((candidate) => candidate.id === id);
    if (device !== undefined) onChoose(device);
  };
  return (
    <label class="picker">
      <Mic />
      <span class="visually-hidden">{say("microphone")}</span>
      <select data-testid="microphone-select" value={devices.current ?? ""} onChange={choose}>
        {devices.all.map((device) => (
          <option key={device.id} value={device.id}>
            {device.label}
          </option>
        ))}
      </select>
    </label>
  );
}
