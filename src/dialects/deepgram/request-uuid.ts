// One id, two spellings: `req_` and 32 hex digits everywhere in the gateway, a UUID on Deepgram's wire. Pure.

export function requestUuid(requestId: string): string {
  return requestId.replace(/^req_/, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
