// A ramp in steps of 1 with a range of 0 to 200 on an OPC UA server that is not asyncua; used by test_edge_node_opcua.py.
// node node_opcua_ramp.js PORT FOLDER; each line of the input is a command, whose answer is one line: answer JSON
//   close    ends every session and keeps the subscriptions, as a server does that runs out of sessions
//   take     takes every subscription away from its session, which goes on, as another client's TransferSubscriptions does
//   remove   deletes every subscription, as a server does whose client was away for too long, while the session goes on
//   farewell says once more, late and to the new session, that the subscription was transferred
//   emitted  all values so far, [ms since 1970, value]
"use strict";

const path = require("path");
const readline = require("readline");
const {
    OPCUAServer, OPCUACertificateManager, DataType, SecurityPolicy, MessageSecurityMode, StatusChangeNotification, StatusCodes, Variant,
} = require("node-opcua");

const [port, folder] = process.argv.slice(2);
const URI = "urn:test:ramp";
const emitted = [];

async function main() {
    const serverCertificateManager = new OPCUACertificateManager({ rootFolder: path.join(folder, "pki"), automaticallyAcceptUnknownCertificate: true });
    await serverCertificateManager.initialize();
    const certificateFile = path.join(folder, "server.pem");
    await serverCertificateManager.createSelfSignedCertificate({
        applicationUri: URI, dns: ["localhost"], ip: ["127.0.0.1"], outputFile: certificateFile, startDate: new Date(Date.now() - 3600000),
        subject: "/CN=ramp", validity: 365,
    });
    const server = new OPCUAServer({
        port: Number(port), host: "127.0.0.1", hostname: "127.0.0.1", serverInfo: { applicationUri: URI }, serverCertificateManager, certificateFile,
        privateKeyFile: serverCertificateManager.privateKey, securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
        securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt], serverCapabilities: { minSupportedSampleRate: 0 },
        allowAnonymousSubscriptionTransferOnUnsecuredChannel: true,
    });
    await server.initialize();
    const engine = server.engine;
    const own = engine.addressSpace.registerNamespace("urn:test:cnc");
    const load = own.addAnalogDataItem({
        organizedBy: engine.addressSpace.rootFolder.objects, browseName: "load", nodeId: "s=cnc-01.load", dataType: DataType.Double,
        engineeringUnitsRange: { low: 0, high: 200 }, minimumSamplingInterval: 0, // reported at each change, none is stepped over
    });
    setInterval(() => {
        const count = emitted.length;
        const time = Math.max(Date.now(), count ? emitted[count - 1][0] + 1 : 0);
        emitted.push([time, count % 200]);
        load.setValueFromSource(new Variant({ dataType: DataType.Double, value: count % 200 }), StatusCodes.Good, new Date(time));
    }, 20);

    const sessions = () => Object.values(engine._sessions);
    const subscriptions = () => sessions().flatMap((session) => session.publishEngine.subscriptions);
    const commands = {
        emitted: () => emitted,
        close: () => sessions().map((session) => engine.closeSession(session.authenticationToken, false, "Terminated")).length,
        take: () => {
            const all = subscriptions();
            const other = engine.createSession({ sessionTimeout: 60000, server });
            all.forEach((subscription) => subscription.publishEngine.constructor.transferSubscription(subscription, other.publishEngine, false));
            return all.length;
        },
        remove: () => sessions().flatMap((session) => session.publishEngine.subscriptions.map(({ id }) => session.deleteSubscription(id))).length,
        farewell: () => subscriptions().map((subscription) => {
            subscription._addNotificationMessage(new StatusChangeNotification({ status: StatusCodes.GoodSubscriptionTransferred }));
            return subscription._publish_pending_notifications();
        }).length,
    };
    readline.createInterface({ input: process.stdin }).on("line", (line) => console.log(`answer ${JSON.stringify(commands[line]())}`));
    await server.start();
    console.log("ready");
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
