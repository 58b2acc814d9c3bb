// A machining centre and a robot on an OPC UA server that is not asyncua, with the node sets of the OPC Foundation; used by test_discover_node_opcua.py.
// node node_opcua_server.js PORT FOLDER
"use strict";

const path = require("path");
const {
    OPCUAServer, OPCUACertificateManager, nodesets, DataType, SecurityPolicy, MessageSecurityMode, Variant, StatusCodes, UserTokenType,
} = require("node-opcua");

const [port, folder] = process.argv.slice(2);
const URI = "urn:test:node-opcua";
const CEFACT = "http://www.opcfoundation.org/UA/units/un/cefact";
const units = {
    SpindleLoad: { namespaceUri: CEFACT, unitId: 20529, displayName: "%", description: "percent" },
    Power: { namespaceUri: CEFACT, unitId: 5723220, displayName: "W", description: "watt" },
};
const values = { SpindleLoad: 42.5, Power: 3100.5, PartCount: 17, GoodCount: 16, ScrapCount: 1, Alarm: 0 };

function set(node, dataType, value) {
    if (node) {
        node.setValueFromSource(new Variant({ dataType, value }), StatusCodes.Good, new Date());
    }
}

async function main() {
    const serverCertificateManager = new OPCUACertificateManager({ rootFolder: path.join(folder, "pki"), automaticallyAcceptUnknownCertificate: true });
    await serverCertificateManager.initialize();
    const certificateFile = path.join(folder, "server.pem");
    await serverCertificateManager.createSelfSignedCertificate({
        applicationUri: URI, dns: ["localhost"], ip: ["127.0.0.1"], outputFile: certificateFile, startDate: new Date(Date.now() - 3600000),
        subject: "/CN=node-opcua", validity: 365,
    });
    const server = new OPCUAServer({
        port: Number(port), host: "127.0.0.1", hostname: "127.0.0.1", serverInfo: { applicationUri: URI }, serverCertificateManager, certificateFile,
        privateKeyFile: serverCertificateManager.privateKey,
        nodeset_filename: [
            nodesets.standard, nodesets.di, nodesets.machinery, nodesets.isa95JobControl, nodesets.machineryJobs, nodesets.ia, nodesets.machineTool,
            nodesets.robotics,
        ],
        securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep, SecurityPolicy.Aes256_Sha256_RsaPss],
        securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
        userManager: { isValidUser: (name, password) => name === "operator" && password === "geheim" },
    });
    await server.initialize();
    const space = server.engine.addressSpace;
    const own = space.registerNamespace("urn:test:node-opcua:cell");
    const machinery = space.getNamespaceIndex("http://opcfoundation.org/UA/Machinery/");
    const tools = space.getNamespaceIndex("http://opcfoundation.org/UA/MachineTool/");
    const robotics = space.getNamespaceIndex("http://opcfoundation.org/UA/Robotics/");
    const machines = space.findNode(`ns=${machinery};i=1001`);

    const mill = space.findObjectType("MachineToolType", tools).instantiate({
        browseName: { name: "mill-09", namespaceIndex: own.index }, organizedBy: machines, namespace: own,
        optionals: [
            "MachineryBuildingBlocks", "Production.Statistics", "Production.Statistics.PartsProducedInLifetime", "Monitoring.MachineTool.FeedOverride",
        ],
    });
    const plate = mill.getChildByName("Identification");
    set(plate.getChildByName("SerialNumber"), DataType.String, "NODE-0009");
    set(plate.getChildByName("Manufacturer"), DataType.LocalizedText, "Node Works");
    const states = { MachineryItemState: "MachineryItemState_StateMachineType", MachineryOperationMode: "MachineryOperationModeStateMachineType" };
    for (const [name, type] of Object.entries(states)) {
        const machine = space.findObjectType(type, machinery).instantiate({
            browseName: { name, namespaceIndex: machinery }, componentOf: mill.getChildByName("MachineryBuildingBlocks") || mill, namespace: own,
            optionals: ["CurrentState.Number"],
        });
        const state = machine.getChildByName("CurrentState");
        set(state.getChildByName("Number"), DataType.UInt32, 3);
        set(state, DataType.LocalizedText, "Executing");
    }
    const monitoring = mill.getChildByName("Monitoring").getChildByName("MachineTool");
    set(monitoring.getChildByName("FeedOverride"), DataType.Double, 95);
    const production = mill.getChildByName("Production");
    set(production.getChildByName("ActiveProgram").getChildByName("Name"), DataType.String, "O2001");
    set(production.getChildByName("Statistics").getChildByName("PartsProducedInLifetime"), DataType.UInt32, 17);

    const robot = space.findObjectType("MotionDeviceSystemType", robotics).instantiate({
        browseName: { name: "arm-09", namespaceIndex: own.index }, organizedBy: machines, namespace: own,
    });
    const safety = space.findObjectType("SafetyStateType", robotics).instantiate({
        browseName: { name: "Safety", namespaceIndex: own.index }, componentOf: robot.getChildByName("SafetyStates"), namespace: own,
    }).getChildByName("ParameterSet");
    set(safety.getChildByName("OperationalMode"), DataType.Int32, 3);
    set(safety.getChildByName("EmergencyStop"), DataType.Boolean, false);
    set(safety.getChildByName("ProtectiveStop"), DataType.Boolean, false);

    // The makers' own words beside the models, with units.
    for (const machine of ["mill-09", "arm-09"]) {
        const place = own.addFolder(space.rootFolder.objects, { browseName: machine, nodeId: `s=${machine}` });
        for (const [name, value] of Object.entries(values)) {
            const dataType = name in units ? DataType.Double : DataType.UInt32;
            const options = { componentOf: place, browseName: name, nodeId: `s=${machine}.${name}`, dataType };
            const variable = name in units
                ? own.addAnalogDataItem({ ...options, engineeringUnitsRange: { low: 0, high: 200 }, engineeringUnits: units[name] })
                : own.addVariable(options);
            setInterval(() => set(variable, dataType, value), 100);
        }
        const program = own.addVariable({ componentOf: place, browseName: "Program", nodeId: `s=${machine}.Program`, dataType: DataType.String });
        setInterval(() => set(program, DataType.String, "HANDLING_1"), 100);
    }
    const axes = own.addVariable({
        organizedBy: space.rootFolder.objects, browseName: "Axes", nodeId: "s=Axes", dataType: DataType.Double, valueRank: 1, arrayDimensions: [3],
    });
    axes.setValueFromSource({ dataType: DataType.Double, arrayType: 1, value: [1.5, 2.5, 3.5] });
    await server.start();
    console.log("ready");
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
