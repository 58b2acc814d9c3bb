"""OPC 40501-1 MachineTool 1.02, as far as a simulated machining centre or lathe shows it.

NodeIds, names and rules: the published node set of the OPC Foundation; see docstrings of `simulators.opcua.model` for the form.
"""

from simulators.machine import ItemState, Machine, OperationMode, Values
from simulators.opcua.machinery import building_blocks, identification, state
from simulators.opcua.values import Limits, Shown, Unit

MACHINE_TOOL = """
enum 62 ProcessIrregularity = CapabilityUnavailable Detected NotDetected NotYetDetermined
enum 63 PartQuality = CapabilityUnavailable Good Bad NotYetMeasured WillNotBeMeasured
enum 64 ChannelState = Active Interrupted Reset
enum 65 MachineOperationMode = Manual Automatic Setup AutoWithManualIntervention Service Other
enum 66 ToolLocked = CapabilityUnavailable ByOperator ToolBreak ToolLife MeasurementError Other
enum 67 ChannelMode = Automatic MdaMdi JogManual JogIncrement TeachingHandle Remote Reference Other
enum 68 ToolLifeIndication = Time NumberOfParts NumberOfUsages Feed_Distance Cutting_Distance Length Diameter Other
enum 69 ToolManagement = NumberBased GroupBased Other
type 11 MachineToolIdentificationType : machinery:MachineIdentificationType
type 23 ElementMonitoringType : ua:BaseObjectType
  M Name property ua:String
type 41 WorkingUnitMonitoringType : ElementMonitoringType
type 33 ChannelModifierType : ua:BaseObjectType
  M DryRun variable ua:Boolean
  M OptionalStop variable ua:Boolean
  M SingleStep variable ua:Boolean
type 16 ChannelMonitoringType : ElementMonitoringType
  M ChannelMode variable ChannelMode
  M ChannelState variable ChannelState
  M FeedOverride analog ua:Double
  O RapidOverride analog ua:Double
  O ChannelModifiers object ChannelModifierType
type 22 SpindleMonitoringType : WorkingUnitMonitoringType
  M IsRotating variable ua:Boolean
  O Override analog ua:Double
  O IsUsedAsAxis variable ua:Boolean
type 1002 ObligationType : ua:BaseObjectType
  M EndUserObligated variable ua:Boolean
  M MachineBuilderObligated variable ua:Boolean
type 26 MachineOperationMonitoringType : ua:BaseObjectType
  M OperationMode variable MachineOperationMode
  O FeedOverride analog ua:Double
  O IsWarmUp variable ua:Boolean
  O Obligation object ObligationType
  O machinery:MachineryItemState addin machinery:MachineryItemState_StateMachineType
  O machinery:MachineryOperationMode addin machinery:MachineryOperationModeStateMachineType
type 14 MonitoringType : ua:BaseObjectType
  M MachineTool object MachineOperationMonitoringType
  P MonitoredElement object ElementMonitoringType
type 24 ProductionStateMachineType : ua:FiniteStateMachineType
  M ua:CurrentState variable ua:LocalizedText
    M ua:Id property ua:NodeId
    M ua:Number property ua:UInt32
type 15 ProductionProgramStateMachineType : ProductionStateMachineType
  state 0 5039 Initializing
  state 1 5041 Running
  state 2 5038 Ended
  state 3 5040 Interrupted
  state 4 5037 Aborted
type 59 ProductionProgramType : ua:BaseObjectType
  M Name property ua:String
  M ua:NumberInList property ua:UInt16
  O State object ProductionProgramStateMachineType
type 32 ProductionActiveProgramType : ProductionProgramType
  M State object ProductionProgramStateMachineType
type 20 ProductionStatisticsType : ua:BaseObjectType
  O PartsProducedInLifetime variable ua:UInt32
type 21 ProductionType : ua:BaseObjectType
  M ActiveProgram object ProductionActiveProgramType
  O Statistics object ProductionStatisticsType
type 39 AlertType : ua:AlarmConditionType
  M ErrorCode property ua:String
type 38 MessagesType : ua:BaseObjectType
type 7 NotificationType : ua:BaseObjectType
  O Messages object MessagesType
type 49 BaseToolType : ua:BaseObjectType
  O Identifier property ua:String
  O Name property ua:String
type 50 ToolType : BaseToolType
  M ControlIdentifier1 variable ua:UInt32
  M ControlIdentifierInterpretation variable ToolManagement
  M Locked variable ua:Boolean
    M ReasonForLocking property ToolLocked
type 44 ToolListType : ua:BaseObjectType
  P Tool object BaseToolType
type 12 EquipmentType : ua:BaseObjectType
  O Tools object ToolListType
type 13 MachineToolType : ua:BaseObjectType
  M di:Identification object MachineToolIdentificationType
  M Monitoring object MonitoringType
  M Production object ProductionType
  M Notification object NotificationType
  M Equipment object EquipmentType
  O machinery:MachineryBuildingBlocks object ua:FolderType
    O machinery:MachineryItemState addin machinery:MachineryItemState_StateMachineType
    O machinery:MachineryOperationMode addin machinery:MachineryOperationModeStateMachineType
"""

PLACES = {
    "Monitoring/Channel1": ("mt:ChannelMonitoringType", "Channel1"),
    "Monitoring/Spindle1": ("mt:SpindleMonitoringType", "Spindle1"),
    "Equipment/Tools/Tool1": ("mt:ToolType", "Tool1"),
}
"""What stands where the types have placeholders: type and BrowseName by path."""
_PERCENT = Unit("%")
_OVERRIDE = Limits(0.0, 200.0)
# MachineOperationMode by MachineryOperationMode: None, Maintenance, Setup, Processing.
_MODES = {OperationMode.NONE: 5, OperationMode.MAINTENANCE: 4, OperationMode.SETUP: 2, OperationMode.PROCESSING: 1}


def show_machine_tool(machine: Machine, values: Values) -> dict[str, Shown]:
    """What a machining centre or lathe with these values shows, by path below its own node."""
    executing = values["item_state"] == ItemState.EXECUTING
    alarm = values["item_state"] == ItemState.OUT_OF_SERVICE
    override = float(values["feed_override"])
    tool = int(values.get("tool_number", 1))
    worn = float(values.get("tool_wear", 0.0)) >= 1.0
    return {
        **identification(machine, model=f"Sim {machine.kind.replace('_', ' ')}", code="SIM-CNC"),
        **building_blocks("MachineryBuildingBlocks", values),
        **building_blocks("Monitoring/MachineTool", values),
        "Monitoring/MachineTool/OperationMode": _MODES.get(OperationMode(int(values["operation_mode"])), 5),
        **_override("Monitoring/MachineTool/FeedOverride", override),
        "Monitoring/MachineTool/IsWarmUp": False,
        # Blocked by an alarm, the one who runs the machine has to act.
        "Monitoring/MachineTool/Obligation/EndUserObligated": alarm,
        "Monitoring/MachineTool/Obligation/MachineBuilderObligated": False,
        "Monitoring/Channel1/Name": "Channel 1",
        "Monitoring/Channel1/ChannelMode": 0,
        "Monitoring/Channel1/ChannelState": 0 if executing else 1 if alarm else 2,
        **_override("Monitoring/Channel1/FeedOverride", override),
        "Monitoring/Spindle1/Name": "Spindle 1",
        "Monitoring/Spindle1/IsRotating": float(values["spindle_speed"]) > 0.0,
        **_override("Monitoring/Spindle1/Override", float(values.get("spindle_override", 100.0))),
        "Production/ActiveProgram/Name": values["program"],
        "Production/ActiveProgram/NumberInList": 0,
        **state("Production/ActiveProgram/State", 1 if executing else 3 if alarm else 0),
        "Production/Statistics/PartsProducedInLifetime": int(values["part_count"]),
        "Equipment/Tools/Tool1/Name": str(values.get("tool_name", f"T{tool}")),
        "Equipment/Tools/Tool1/ControlIdentifier1": tool,
        "Equipment/Tools/Tool1/ControlIdentifierInterpretation": 0,
        "Equipment/Tools/Tool1/Locked": worn,
        "Equipment/Tools/Tool1/Locked/ReasonForLocking": 3 if worn else 0,
        "Notification/Messages": "",
    }


def _override(path: str, percent: float) -> dict[str, Shown]:
    return {path: percent, f"{path}/EngineeringUnits": _PERCENT, f"{path}/EURange": _OVERRIDE}
