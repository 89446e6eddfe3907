// RunPod's own SDK, pointed at a gateway: `baseUrl` is all that a program changes.
import runpodSdk, { type EndpointCompletedOutput } from 'runpod-sdk';

export interface Output {
  segments: { start: number; end: number; text: string }[];
  detected_language: string;
  transcription?: string;
  warnings: string[];
  logs: string;
  debug_info?: Record<string, Record<string, unknown>>;
}

export type Ended = Omit<EndpointCompletedOutput, 'output'> & { output: Output; error?: string };

/** A program would say `runpodSdk(process.env.RUNPOD_API_KEY, { baseUrl: 'http://127.0.0.1:8080/v2' })`. */
export function endpointAt(url: string, { key = 'none', name = 'whisper' } = {}) {
  const endpoint = runpodSdk(key, { baseUrl: `${url}/v2` }).endpoint(name);
  if (!endpoint) throw new Error('The SDK made no endpoint.');
  return endpoint;
}

export const textOf = ({ segments }: Output): string => segments.map(({ text }) => text).join(' ');

/** What the SDK throws for an answer that is no 200. */
export interface SdkError {
  message: string;
  response: { status: number; data: { error: string } };
}
