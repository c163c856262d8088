// An OPC UA server that is not ours, for the gateway to meet.
//
//   PEER_USER=… PEER_PASSWORD=… node opcua_server.js '{"directory": "…", "trust": ["client.der"], …}'
//
// Prints one JSON line {"url", "certificate", "namespace", "root", "tags": […]} when it is ready; ends on SIGTERM or when
// its standard input closes. Every value is a function of a counter that grows by one per tick, so that a reader can prove
// from the values alone that none is missing.
"use strict";

const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const {
  DataType, OPCUACertificateManager, OPCUAServer, MessageSecurityMode, SecurityPolicy, StatusCodes,
  Variant, VariantArrayType, makeAccessLevelFlag, makeApplicationUrn, nodesets, standardUnits,
} = require("node-opcua");

const NAMESPACE = "urn:peer.example:press-shop";
const ROOT = ["Line1", "Press1"];
const LATEST_HISTORY = 2000;

const settings = {
  items: 120, // changing variables
  tickMs: 100,
  limits: {}, // OperationLimits, such as {"maxMonitoredItemsPerCall": 50}; what is left out is unlimited
  trust: [], // DER certificates of clients
  applicationName: "press-shop-server",
  ...JSON.parse(process.argv[2] ?? "{}"),
};

// One function of the counter `n` and the item's number `i` per type. Floats stay exact below 2^24.
const KINDS = [
  { type: "Double", analog: true, value: (n, i) => n + i / 1024 },
  { type: "Float", analog: true, value: (n) => n },
  { type: "Int32", value: (n) => n },
  { type: "UInt16", value: (n) => n % 65536 },
  { type: "Boolean", value: (n) => n % 2 === 1 },
  { type: "String", value: (n, i) => `${i}:${n}` },
  { type: "DateTime", value: (n) => new Date(Date.UTC(2024, 0, 1) + n * 1000) },
  { type: "Double", array: true, value: (n, i) => [n, i, n + i] },
];

function wire(kind, n, i) {
  const value = kind.value(n, i);
  const dataType = DataType[kind.type];
  return kind.array
    ? new Variant({ dataType, arrayType: VariantArrayType.Array, value: Float64Array.from(value) })
    : new Variant({ dataType, value });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function certificateManager() {
  const manager = new OPCUACertificateManager({
    rootFolder: path.join(settings.directory, "pki"),
    automaticallyAcceptUnknownCertificate: false,
    disableFileWatchers: true,
  });
  await manager.initialize();
  for (const file of settings.trust) {
    await manager.trustCertificate(fs.readFileSync(file));
  }
  return manager;
}

function addVariable(addressSpace, namespace, parent, { name, kind, number, historizing, writable }) {
  const flags = ["CurrentRead"];
  if (historizing) flags.push("HistoryRead");
  if (writable) flags.push("CurrentWrite");
  const options = {
    componentOf: parent,
    browseName: name,
    nodeId: `s=${ROOT.join(".")}.${name}`,
    dataType: kind.type,
    valueRank: kind.array ? 1 : -1,
    accessLevel: makeAccessLevelFlag(flags.join(" | ")),
    userAccessLevel: makeAccessLevelFlag(flags.join(" | ")),
    minimumSamplingInterval: settings.tickMs / 2,
  };
  const variable = kind.analog
    ? namespace.addAnalogDataItem({
      ...options,
      engineeringUnitsRange: { low: 0, high: 1e6 },
      engineeringUnits: standardUnits.degree_celsius,
    })
    : namespace.addVariable(options);
  variable.setValueFromSource(wire(kind, 0, number), StatusCodes.Good, new Date());
  if (historizing) addressSpace.installHistoricalDataNode(variable, { maxOnlineValues: LATEST_HISTORY });
  return variable;
}

function buildAddressSpace(server) {
  const addressSpace = server.engine.addressSpace;
  const namespace = addressSpace.registerNamespace(NAMESPACE);
  let place = addressSpace.rootFolder.objects;
  for (const name of ROOT) {
    place = namespace.addObject({ organizedBy: place, browseName: name });
  }
  const process_ = namespace.addObject({ componentOf: place, browseName: "Process" });
  const setpoints = namespace.addObject({ componentOf: place, browseName: "Setpoints" });

  const changing = [];
  for (let number = 0; number < settings.items; number += 1) {
    const kind = KINDS[number % KINDS.length];
    const name = `${kind.type}${kind.array ? "Array" : ""}${String(number).padStart(3, "0")}`;
    const historizing = number < KINDS.length && !kind.array;
    const variable = addVariable(addressSpace, namespace, process_, { name, kind, number, historizing, writable: false });
    changing.push({ variable, kind, number, tag: { path: `Process/${name}`, type: kind.type + (kind.array ? "[]" : ""), historizing } });
  }
  const writable = KINDS.filter((kind) => !kind.array).map((kind, number) => {
    const name = `${kind.type}Setpoint`;
    addVariable(addressSpace, namespace, setpoints, { name, kind, number, historizing: false, writable: true });
    return { path: `Setpoints/${name}`, type: kind.type, historizing: false };
  });
  return { changing, writable };
}

function startTicking(changing) {
  let counter = 0;
  return setInterval(() => {
    counter += 1;
    const now = new Date();
    for (const { variable, kind, number } of changing) {
      variable.setValueFromSource(wire(kind, counter, number), StatusCodes.Good, now);
    }
  }, settings.tickMs);
}

async function main() {
  const manager = await certificateManager();
  const port = settings.port ?? (await freePort());
  const server = new OPCUAServer({
    port,
    hostname: "127.0.0.1",
    host: "127.0.0.1",
    nodeset_filename: [nodesets.standard],
    serverCertificateManager: manager,
    serverInfo: {
      applicationName: { text: settings.applicationName },
      applicationUri: makeApplicationUrn("peer.example", settings.applicationName),
    },
    buildInfo: { productName: "press-shop-server", softwareVersion: "1.0.0", manufacturerName: "peer.example" },
    securityPolicies: [SecurityPolicy.Basic256Sha256],
    securityModes: [MessageSecurityMode.SignAndEncrypt],
    allowAnonymous: false,
    userManager: {
      isValidUser: (user, password) => user === process.env.PEER_USER && password === process.env.PEER_PASSWORD,
    },
    serverCapabilities: { operationLimits: settings.limits, maxSessions: 5 },
  });
  await server.initialize();
  const { changing, writable } = buildAddressSpace(server);
  await server.start();
  const timer = startTicking(changing);

  const stop = async () => {
    clearInterval(timer);
    await server.shutdown(0);
    process.exit(0);
  };
  process.once("SIGTERM", stop);
  process.stdin.once("end", stop).resume();

  process.stdout.write(`${JSON.stringify({
    url: `opc.tcp://127.0.0.1:${port}`,
    certificate: server.certificateFile,
    namespace: NAMESPACE,
    root: ROOT.join("/"),
    tags: changing.map(({ tag }) => tag),
    writable,
  })}\n`);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
