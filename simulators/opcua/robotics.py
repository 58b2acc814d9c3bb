"""OPC 40010-1 Robotics 1.01, as far as a simulated six-axis robot shows it: one motion device system of one arm, one controller, one safety state.

NodeIds, names and rules: the published node set of the OPC Foundation; see docstrings of `simulators.opcua.model` for the form.
"""

from simulators.machine import ItemState, Machine, Values
from simulators.opcua.machinery import building_blocks, identification
from simulators.opcua.values import Shown, Unit

ROBOTICS = """
enum 18193 MotionDeviceCategoryEnumeration = OTHER ARTICULATED_ROBOT SCARA_ROBOT CARTESIAN_ROBOT SPHERICAL_ROBOT PARALLEL_ROBOT CYLINDRICAL_ROBOT
enum 3006 OperationalModeEnumeration = OTHER MANUAL_REDUCED_SPEED MANUAL_HIGH_SPEED AUTOMATIC AUTOMATIC_EXTERNAL
enum 3008 AxisMotionProfileEnumeration = OTHER ROTARY ROTARY_ENDLESS LINEAR LINEAR_ENDLESS
enum 18191 ExecutionModeEnumeration = CYCLE CONTINUOUS STEP
type 16601 AxisType : di:ComponentType
  M MotionProfile property AxisMotionProfileEnumeration
  M di:ParameterSet object ua:BaseObjectType
    M ActualPosition measure ua:Double
    O ActualSpeed measure ua:Double
type 1019 MotorType : di:ComponentType
  M di:Manufacturer property ua:LocalizedText
  M di:Model property ua:LocalizedText
  M di:ProductCode property ua:String
  M di:SerialNumber property ua:String
  M di:ParameterSet object ua:BaseObjectType
    M MotorTemperature measure ua:Double
    O BrakeReleased variable ua:Boolean
type 16794 PowerTrainType : di:ComponentType
  P MotorIdentifier object MotorType
type 1004 MotionDeviceType : di:ComponentType
  M di:Manufacturer property ua:LocalizedText
  M di:Model property ua:LocalizedText
  M di:ProductCode property ua:String
  M di:SerialNumber property ua:String
  M MotionDeviceCategory property MotionDeviceCategoryEnumeration
  M di:ParameterSet object ua:BaseObjectType
    M SpeedOverride variable ua:Double
    O OnPath variable ua:Boolean
    O InControl variable ua:Boolean
  M Axes object ua:FolderType
    P AxisIdentifier object AxisType
  M PowerTrains object ua:FolderType
    P PowerTrainIdentifier object PowerTrainType
type 18175 UserType : ua:BaseObjectType
  M Level variable ua:String
type 1011 TaskControlType : di:ComponentType
  M di:ComponentName property ua:LocalizedText
  M di:ParameterSet object ua:BaseObjectType
    M TaskProgramName variable ua:String
    M TaskProgramLoaded variable ua:Boolean
    O ExecutionMode variable ExecutionModeEnumeration
type 1003 ControllerType : di:ComponentType
  M di:Manufacturer property ua:LocalizedText
  M di:Model property ua:LocalizedText
  M di:ProductCode property ua:String
  M di:SerialNumber property ua:String
  M CurrentUser object UserType
  M Software object ua:FolderType
  M TaskControls object ua:FolderType
    P TaskControlIdentifier object TaskControlType
type 1013 SafetyStateType : di:ComponentType
  M di:ParameterSet object ua:BaseObjectType
    M OperationalMode variable OperationalModeEnumeration
    M EmergencyStop variable ua:Boolean
    M ProtectiveStop variable ua:Boolean
type 1002 MotionDeviceSystemType : di:ComponentType
  M MotionDevices object ua:FolderType
    P MotionDeviceIdentifier object MotionDeviceType
  M Controllers object ua:FolderType
    P ControllerIdentifier object ControllerType
  M SafetyStates object ua:FolderType
    P SafetyStateIdentifier object SafetyStateType
  O di:Identification object machinery:MachineIdentificationType
  O machinery:MachineryBuildingBlocks object ua:FolderType
    O machinery:MachineryItemState addin machinery:MachineryItemState_StateMachineType
    O machinery:MachineryOperationMode addin machinery:MachineryOperationModeStateMachineType
"""

_AXES = range(1, 7)
PLACES = {
    "MotionDevices/Arm": ("robotics:MotionDeviceType", "Arm"),
    "Controllers/Controller": ("robotics:ControllerType", "Controller"),
    "Controllers/Controller/Software/Firmware": ("di:ComponentType", "Firmware"),
    "Controllers/Controller/TaskControls/Task1": ("robotics:TaskControlType", "Task1"),
    "SafetyStates/Safety": ("robotics:SafetyStateType", "Safety"),
    **{f"MotionDevices/Arm/Axes/Axis{n}": ("robotics:AxisType", f"Axis{n}") for n in _AXES},
    **{f"MotionDevices/Arm/PowerTrains/PowerTrain{n}": ("robotics:PowerTrainType", f"PowerTrain{n}") for n in _AXES},
    **{f"MotionDevices/Arm/PowerTrains/PowerTrain{n}/Motor{n}": ("robotics:MotorType", f"Motor{n}") for n in _AXES},
}
"""What stands where the types have placeholders: type and BrowseName by path."""


def show_robot(machine: Machine, values: Values) -> dict[str, Shown]:
    """What a robot with these values shows, by path below its own node; what its controller does not measure per axis is that of the whole arm."""
    stopped = values["item_state"] == ItemState.OUT_OF_SERVICE
    arm, controller = "MotionDevices/Arm", "Controllers/Controller"
    task, safety = f"{controller}/TaskControls/Task1/ParameterSet", "SafetyStates/Safety/ParameterSet"
    shown: dict[str, Shown] = {
        **identification(machine, model="Sim six-axis robot", code="SIM-ROBOT"), **building_blocks("MachineryBuildingBlocks", values),
        **_nameplate(machine, arm, "arm"), f"{arm}/MotionDeviceCategory": 1,
        f"{arm}/ParameterSet/SpeedOverride": float(values.get("speed_override", 100.0)),
        f"{arm}/ParameterSet/InControl": not stopped,
        **_nameplate(machine, controller, "controller"), f"{controller}/CurrentUser/Level": "operator",
        f"{controller}/Software/Firmware/Model": "Sim firmware",
        f"{controller}/TaskControls/Task1/ComponentName": "Task 1", f"{task}/TaskProgramName": values["program"],
        f"{task}/TaskProgramLoaded": values["program"] != "", f"{task}/ExecutionMode": 1,
        f"{safety}/OperationalMode": int(values.get("operational_mode", 3)), f"{safety}/EmergencyStop": bool(values.get("emergency_stop", 0)),
        f"{safety}/ProtectiveStop": bool(values.get("protective_stop", stopped)),
    }
    for n in _AXES:
        axis, motor = f"{arm}/Axes/Axis{n}", f"{arm}/PowerTrains/PowerTrain{n}/Motor{n}"
        shown[f"{axis}/MotionProfile"] = 1
        _measure(shown, f"{axis}/ParameterSet/ActualPosition", float(values.get(f"axis_{n}_position", 0.0)), "deg")
        _measure(shown, f"{axis}/ParameterSet/ActualSpeed", float(values.get(f"axis_{n}_speed", values["joint_speed"])), "deg/s")
        shown |= _nameplate(machine, motor, f"motor {n}")
        temperature = float(values.get(f"axis_{n}_temperature", values["motor_temperature"]))
        _measure(shown, f"{motor}/ParameterSet/MotorTemperature", temperature, "Cel")
    return shown


def _measure(shown: dict[str, Shown], path: str, value: float, unit: str) -> None:
    shown[path] = value
    shown[f"{path}/EngineeringUnits"] = Unit(unit)


def _nameplate(machine: Machine, path: str, part: str) -> dict[str, Shown]:
    code = f"SIM-{part.upper().replace(' ', '-')}"
    return {
        f"{path}/Manufacturer": "Chejian Simulated Works", f"{path}/Model": f"Sim {part}", f"{path}/ProductCode": code,
        f"{path}/SerialNumber": f"{code}-{machine.equipment.upper()}",
    }
