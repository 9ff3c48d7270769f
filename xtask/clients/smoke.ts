// The client that @hey-api/openapi-ts makes: all of it compiles, and each API answers with its types.

import { client } from './client/client.gen';
import { addMemory, execute, getKvValue, grep, listRuns, openSession, putKvValue, queryMemories } from './client';

declare const process: { env: Record<string, string>; exitCode: number };

function holds(what: boolean, shown: unknown): void {
    if (!what) throw new Error(JSON.stringify(shown));
}

async function main(): Promise<void> {
    client.setConfig({ baseUrl: process.env.PENTAD, auth: () => process.env.KEY, throwOnError: true });

    const file = new File(['needle\n'], 'a.txt', { type: 'text/plain' });
    const opened = await openSession({ body: { files: [file] }, throwOnError: true });
    holds('id' in opened.data, opened.data);
    const id = (opened.data as { id: string }).id;
    const found = await grep({ path: { id }, query: { query: 'needle' }, throwOnError: true });
    holds(found.data.total === 1 && found.data.hits[0].path === 'a.txt', found.data);

    await addMemory({ body: { content: 'Ada lives in Lisbon.' }, throwOnError: true });
    const answer = await queryMemories({ body: { question: 'Where does Ada live?' }, throwOnError: true });
    holds(answer.data.answer_with_citations.includes('Lisbon'), answer.data);

    const ran = await execute({ body: { language: 'python', code: 'print(6 * 7)' }, throwOnError: true });
    holds(ran.data.stdout === '42\n', ran.data);

    const place = { namespace: 'smoke', key: 'typescript' };
    await putKvValue({ path: place, body: { value: 'there' }, throwOnError: true });
    const kept = await getKvValue({ path: place, throwOnError: true });
    holds(kept.data.value === 'there', kept.data);

    await listRuns({ throwOnError: true });
    console.log('each API answers');
}

main().catch(error => {
    console.error(error);
    process.exitCode = 1;
});
