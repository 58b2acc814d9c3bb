// An OPC UA client that is not asyncua: `node node_opcua_client.js URL PKI` prints one JSON object of what it found at a simulated cell.
// PKI holds client.cert.der and client.key.pem (the application), NAME.cert.der, NAME.key.pem and NAME.password of users, and a stranger's.
"use strict";
const fs = require("fs");
const path = require("path");
const opcua = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { MessageSecurityMode, SecurityPolicy, UserTokenType, AttributeIds, TimestampsToReturn } = opcua;

const [, , url, pki] = process.argv;
const MACHINERY = "http://opcfoundation.org/UA/Machinery/";
const TOOL = "http://opcfoundation.org/UA/MachineTool/";
const file = (name) => path.join(pki, name);
const certificates = new OPCUACertificateManager({ rootFolder: file("node"), automaticallyAcceptUnknownCertificate: true });

function identity(kind, name, password) {
  if (kind === "anonymous") return { type: UserTokenType.Anonymous };
  if (kind === "user") {
    return { type: UserTokenType.UserName, userName: name, password: password || fs.readFileSync(file(`${name}.password`), "utf8").trim() };
  }
  return {
    type: UserTokenType.Certificate,
    certificateData: fs.readFileSync(file(`${name}.cert.der`)),
    privateKey: fs.readFileSync(file(`${name}.key.pem`), "utf8"),
  };
}

async function withSession(policy, mode, who, work) {
  const client = opcua.OPCUAClient.create({
    applicationName: "node", applicationUri: "urn:chejian:simulators:cell:client", clientCertificateManager: certificates,
    certificateFile: file("client.cert.der"), privateKeyFile: file("client.key.pem"),
    securityMode: mode, securityPolicy: SecurityPolicy[policy], endpointMustExist: false, connectionStrategy: { maxRetry: 0 },
  });
  try {
    await client.connect(url);
    const session = await client.createSession(who);
    const result = await work(session);
    await session.close();
    return result;
  } finally {
    await client.disconnect();
  }
}

async function attempt(policy, mode, who) {
  try {
    return await withSession(policy, mode, who, async (session) => {
      const value = await session.read({ nodeId: "i=2259", attributeId: AttributeIds.Value });
      return value.statusCode.isGood() ? "ok" : value.statusCode.name;
    });
  } catch (error) {
    const found = /Bad[A-Za-z]+/.exec(error.message);
    return found ? found[0] : error.message.slice(0, 120);
  }
}

async function entry() {
  const results = {};
  const modes = { Sign: MessageSecurityMode.Sign, SignAndEncrypt: MessageSecurityMode.SignAndEncrypt };
  const cells = [["None", "None", MessageSecurityMode.None]];
  for (const policy of ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]) {
    for (const [name, mode] of Object.entries(modes)) cells.push([policy, name, mode]);
  }
  for (const [policy, name, mode] of cells) {
    for (const kind of ["anonymous", "user", "certificate"]) {
      results[`${policy} ${name} ${kind}`] = await attempt(policy, mode, identity(kind, "operator"));
    }
    results[`${policy} ${name} wrong password`] = await attempt(policy, mode, identity("user", "operator", "guess"));
    results[`${policy} ${name} unknown user`] = await attempt(policy, mode, identity("user", "nobody", "guess"));
    results[`${policy} ${name} strange certificate`] = await attempt(policy, mode, identity("certificate", "stranger"));
  }
  results["policy not offered"] = await attempt("Basic128Rsa15", modes.SignAndEncrypt, identity("anonymous"));
  return results;
}

function event(session, subscription) {
  const fields = ["EventType", "SourceName", "Message", "Severity", "ConditionName", "Retain", "ActiveState.Id", `${session.tool}:ErrorCode`];
  const filter = opcua.constructEventFilter(fields);
  return new Promise((resolve, reject) => {
    const item = opcua.ClientMonitoredItem.create(
      subscription, { nodeId: "i=2253", attributeId: AttributeIds.EventNotifier }, { samplingInterval: 0, queueSize: 100, discardOldest: true, filter },
      TimestampsToReturn.Both);
    setTimeout(() => reject(new Error("no condition event within 60 s")), 60000).unref();
    item.on("changed", (values) => {
      const found = Object.fromEntries(fields.map((field, n) => [field.split(":").pop(), values[n].value]));
      if (found.ConditionName && found["ActiveState.Id"] === true) {
        resolve({ ...found, EventType: found.EventType.toString(), Message: found.Message.text });
      }
    });
  });
}

function change(subscription, nodeId) {
  const item = opcua.ClientMonitoredItem.create(
    subscription, { nodeId, attributeId: AttributeIds.Value }, { samplingInterval: 0, queueSize: 100, discardOldest: true }, TimestampsToReturn.Both);
  return new Promise((resolve, reject) => {
    const values = [];
    setTimeout(() => reject(new Error("fewer than three changes within 60 s")), 60000).unref();
    item.on("changed", (value) => {
      values.push(value.value.value);
      if (values.length === 3) resolve(values.slice());
    });
  });
}

async function machine(session, reference, subscription) {
  const ns = (uri) => session.namespaces.indexOf(uri);
  const di = ns("http://opcfoundation.org/UA/DI/");
  const [mt, my] = [ns(TOOL), ns(MACHINERY)];
  const state = `/${my}:MachineryBuildingBlocks/${my}:MachineryItemState/CurrentState`;
  const paths = {
    SerialNumber: `/${di}:Identification/${di}:SerialNumber`, ProductInstanceUri: `/${di}:Identification/${di}:ProductInstanceUri`,
    OperationMode: `/${mt}:Monitoring/${mt}:MachineTool/${mt}:OperationMode`,
    FeedOverride: `/${mt}:Monitoring/${mt}:MachineTool/${mt}:FeedOverride`,
    EURange: `/${mt}:Monitoring/${mt}:MachineTool/${mt}:FeedOverride/EURange`,
    Program: `/${mt}:Production/${mt}:ActiveProgram/${mt}:Name`,
    ProgramState: `/${mt}:Production/${mt}:ActiveProgram/${mt}:State/CurrentState/Number`,
    ItemState: `${state}/Number`, ItemStateId: `${state}/Id`, Tools: `/${mt}:Equipment/${mt}:Tools`, Messages: `/${mt}:Notification/${mt}:Messages`,
  };
  const found = {};
  for (const [name, text] of Object.entries(paths)) {
    const result = await session.translateBrowsePath(opcua.makeBrowsePath(reference.nodeId, text));
    if (!result.statusCode.isGood()) { found[name] = result.statusCode.name; continue; }
    const node = result.targets[0].targetId;
    const value = await session.read({ nodeId: node, attributeId: AttributeIds.Value });
    found[name] = value.statusCode.isGood() ? value.value.value : "object";
    if (found[name] && found[name].constructor && found[name].constructor.name === "NodeId") found[name] = found[name].toString();
    if (name === "ItemState" && subscription) found.Changes = change(subscription, node);
  }
  return found;
}

async function browse() {
  return withSession("None", MessageSecurityMode.None, identity("anonymous"), async (session) => {
    session.namespaces = (await session.read({ nodeId: "i=2255", attributeId: AttributeIds.Value })).value.value;
    session.tool = session.namespaces.indexOf(TOOL);
    const subscription = await session.createSubscription2({
      requestedPublishingInterval: 100, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10, maxNotificationsPerPublish: 0,
      publishingEnabled: true, priority: 0,
    });
    const alarm = event(session, subscription);
    const folder = await session.browse({
      nodeId: `ns=${session.namespaces.indexOf(MACHINERY)};i=1001`, browseDirection: opcua.BrowseDirection.Forward, referenceTypeId: "Organizes",
      includeSubtypes: true, nodeClassMask: 0, resultMask: 63,
    });
    const machines = {};
    for (const reference of folder.references) {
      const one = (machines[reference.browseName.name] = await machine(session, reference, subscription));
      one.type = reference.typeDefinition.toString();
    }
    for (const one of Object.values(machines)) one.Changes = await one.Changes;
    return { namespaces: session.namespaces, machines, event: await alarm };
  });
}

(async () => {
  await certificates.initialize();
  const found = { browsed: await browse(), entry: await entry() };
  process.stdout.write(JSON.stringify(found, (_key, value) => (value === undefined ? null : value)) + "\n", () => process.exit(0));
})().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
