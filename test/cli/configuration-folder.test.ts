import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { formatFault, readConfigurationFolder, resolveStateKeys } from "#cli/configuration-folder.ts";
import { CliError } from "#cli/output.ts";
import { openState } from "#cli/state.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { LIMITS } from "#shared/limits.ts";
import { temporaryFolder } from "./run-cli.ts";

const CLASSES = "classes:\n  gold: { weight: 8 }\n";
const ECHO = 'service: echo\nendpoints:\n  - url: "http://127.0.0.1:9101"\n    capacity: 200\n';
const ACME = "tenant: acme\nkeys: { state: true }\nservices:\n  echo:\n    gold: { slots: 5 }\n";
const WHOLE = { "classes.yaml": CLASSES, "services/echo.yaml": ECHO, "tenants/acme.yaml": ACME };

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
  return folder;
}

it("reads every file of a configuration, in a fixed order", async () => {
  const folder = await folderWith({
    ...WHOLE,
    "services/b.yaml": "service: b\nendpoints: []\n",
    "README.md": "#",
    "tenants/README.md": "#",
    "tenants/.acme.yaml.swp": "",
    ".git/x.yaml": "",
    "schema/a.json": "{}",
  });
  const { documents } = await readConfigurationFolder(folder);
  expect(documents.map(({ file }) => file)).toEqual(["classes.yaml", "services/b.yaml", "services/echo.yaml", "tenants/acme.yaml"]);
  expect(validateConfiguration(documents)).toMatchObject({ ok: true });
});

it("follows links, as a ConfigMap that Kubernetes mounts has them: no tenant is lost behind one", async () => {
  const folder = await folderWith(WHOLE);
  await mkdir(join(folder, "..2026_11_22"));
  await symlink("..2026_11_22", join(folder, "..data"));
  for (const name of ["classes.yaml", "services", "tenants"]) {
    await rename(join(folder, name), join(folder, "..2026_11_22", name));
    await symlink(`..data/${name}`, join(folder, name));
  }
  const { documents } = await readConfigurationFolder(folder);
  expect(documents.map(({ file }) => file)).toEqual(["classes.yaml", "services/echo.yaml", "tenants/acme.yaml"]);
});

it.for([
  { name: "a link to nothing", put: async (path: string) => symlink("../gone", path) },
  { name: "a file", put: async (path: string) => writeFile(path, "../gone") },
])("refuses $name in the place of the tenants' folder", async ({ put }) => {
  const folder = await folderWith(WHOLE);
  await rm(join(folder, "tenants"), { recursive: true });
  await put(join(folder, "tenants"));
  await expect(readConfigurationFolder(folder)).rejects.toThrow("  tenants: is not a file of a configuration, expected classes.yaml");
});

it.for([
  {
    name: "a wrong value",
    files: { "services/echo.yaml": ECHO.replace("200", "many") },
    want: 'services/echo.yaml:4: endpoints[0].capacity: is "many", expected an integer from 1 to 1000000',
  },
  {
    name: "an unknown key",
    files: { "services/echo.yaml": `${ECHO}ballance: none\n` },
    want: "services/echo.yaml:5: ballance: is not a known key",
  },
  {
    name: "a missing key",
    files: { "services/echo.yaml": ECHO.replace("    capacity: 200\n", "") },
    want: "services/echo.yaml:3: endpoints[0].capacity: is missing",
  },
  { name: "a document that is empty", files: { "services/echo.yaml": "" }, want: "services/echo.yaml:1: is null" },
  {
    name: "a value behind an alias",
    files: { "tenants/acme.yaml": `${ACME.replace("{ slots: 5 }", "&q { slots: -5 }")}  telemetry:\n    gold: *q\n` },
    want: "tenants/acme.yaml:5: services.telemetry.gold.slots: is -5",
  },
  {
    name: "a reference to nothing",
    files: { "tenants/acme.yaml": ACME.replace("  echo:", "  ecco:") },
    want: "tenants/acme.yaml:4: services.ecco: is not a configured service, expected one of echo",
  },
])("says file, line, path and expectation of $name", async ({ files, want }) => {
  const { documents, lineOf } = await readConfigurationFolder(await folderWith({ ...WHOLE, ...files }));
  const validated = validateConfiguration(documents);
  const faults = validated.ok ? [] : validated.errors.map((fault) => formatFault(fault, lineOf));
  expect(faults).toContainEqual(expect.stringContaining(want));
});

it.for([
  {
    name: "a key that stands twice",
    files: { "classes.yaml": `${CLASSES}classes: {}\n` },
    says: "classes.yaml:3: is not YAML: map keys must be unique",
  },
  {
    name: "broken syntax",
    files: { "classes.yaml": "classes:\n  gold: { weight: 8\n" },
    says: /classes\.yaml:\d: is not YAML: .+, expected YAML 1\.2/,
  },
  { name: "an unknown tag", files: { "classes.yaml": "classes: !secret x\n" }, says: "classes.yaml:1: is not YAML: unresolved tag" },
  {
    name: "a second document",
    files: { "classes.yaml": `${CLASSES}---\n${CLASSES}` },
    says: "classes.yaml:3: has more than one document, expected one",
  },
  {
    name: "a .yml file",
    files: { "services/web.yml": ECHO },
    says: "services/web.yml: is not a file of a configuration, expected classes.yaml, services/*.yaml or tenants/*.yaml",
  },
  { name: "a stray file", files: { "class.yaml": CLASSES }, says: "class.yaml: is not a file of a configuration" },
  { name: "a misspelt folder", files: { "service/web.yaml": ECHO }, says: "service/web.yaml: is not a file of a configuration" },
  { name: "a lost ending", files: { "tenants/globex.txt": ACME }, says: "tenants/globex.txt: is not a file of a configuration" },
  { name: "a folder inside", files: { "services/eu/web.yaml": ECHO }, says: "services/eu/: is not a file of a configuration" },
  {
    name: "a file that is too long",
    files: { "classes.yaml": `${CLASSES}${"#".repeat(LIMITS.configurationBytesMax)}` },
    says: `bytes long, expected at most ${LIMITS.configurationBytesMax}`,
  },
  {
    name: "an alias of nothing",
    files: { "services/echo.yaml": `${ECHO}shards: &some { sizeMax: 9 }\nregions: [*some,\n  *other]\n` },
    says: /services\/echo\.yaml:7: cannot be resolved: Unresolved alias .+: other, expected few and known aliases/,
  },
  {
    name: "aliases that multiply",
    files: { "classes.yaml": billionLaughs() },
    says: "classes.yaml: cannot be resolved: Excessive alias count",
  },
])("refuses $name", async ({ files, says }) => {
  await expect(readConfigurationFolder(await folderWith({ ...WHOLE, ...files }))).rejects.toThrow(says);
});

it("tells all faults of all files at once", async () => {
  const folder = await folderWith({ ...WHOLE, "classes.yaml": "a: [", "services/web.yml": "", "tenants/acme.yaml": "{" });
  await expect(readConfigurationFolder(folder)).rejects.toThrow(/3 faults.*services\/web\.yml.*classes\.yaml:1.*tenants\/acme\.yaml:1/s);
});

it("tells what cannot be read as a fault among others, and waits for no pipe", async () => {
  const folder = await folderWith({ ...WHOLE, "classes.yaml": "a: [" });
  await symlink("../gone.yaml", join(folder, "services", ".#echo.yaml")); // As an editor marks a file that it has open.
  await symlink("..", join(folder, "tenants", "up.yaml"));
  await symlink("/dev/null", join(folder, "tenants", "x.yaml"));
  const error: unknown = await readConfigurationFolder(folder).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CliError);
  expect((error as CliError).message.split("\n").slice(0, 5)).toEqual([
    `Cannot read configuration ${folder}: it has 4 faults, expected none`,
    "  services/.#echo.yaml: cannot be read (ENOENT), expected a file that can be",
    "  tenants/up.yaml: is no file, expected one",
    "  tenants/x.yaml: is no file, expected one",
    expect.stringContaining("classes.yaml:1: is not YAML"),
  ]);
});

it("says what it expected where there is no folder", async () => {
  await expect(readConfigurationFolder(join(await temporaryFolder(), "none"))).rejects.toThrow(
    /^Cannot read configuration .+: it is no folder that can be read \(ENOENT\), expected one with classes\.yaml/,
  );
});

it("bounds the number of files", async () => {
  const folder = await folderWith(WHOLE);
  await Promise.all(
    Array.from({ length: LIMITS.serviceCountMax + LIMITS.tenantCountMax }, (_, index) =>
      writeFile(join(folder, "services", `s-${index}.yaml`), ""),
    ),
  );
  await expect(readConfigurationFolder(folder)).rejects.toThrow(
    `files, expected at most ${1 + LIMITS.serviceCountMax + LIMITS.tenantCountMax}`,
  );
});

it("puts the state's public keys where a tenant asks for them, the same ones every time", async () => {
  const state = openState(await temporaryFolder());
  const { documents } = await readConfigurationFolder(await folderWith(WHOLE));
  const resolved = await resolveStateKeys(documents, state);
  const { publicKeys } = await state.ensureTenantKeys("acme");
  expect(resolved.find(({ file }) => file === "tenants/acme.yaml")?.document).toMatchObject({ tenant: "acme", keys: { jwks: publicKeys } });
  expect(await resolveStateKeys(documents, state)).toEqual(resolved);
  expect(validateConfiguration(resolved)).toMatchObject({ ok: true });
  expect(await state.tenantsWithKeys()).toEqual(["acme"]);
});

it("writes no file for a tenant whose name is none", async () => {
  const state = openState(await temporaryFolder());
  const document = { tenant: "../../acme", keys: { state: true }, services: {} };
  expect(await resolveStateKeys([{ file: "tenants/acme.yaml", document }], state)).toEqual([{ file: "tenants/acme.yaml", document }]);
  expect(await state.tenantsWithKeys()).toEqual([]);
});

function billionLaughs(): string {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 8; level++)
    lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(", ")}]`);
  return lines.join("\n");
}
