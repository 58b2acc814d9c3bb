"""OPC 40001-1 Machinery 1.03 and what it needs of OPC 10000-100 Devices 1.04, as far as a simulated machine shows it.

NodeIds, names and rules: the published node sets of the OPC Foundation; see docstrings of `simulators.opcua.model` for the form.
"""

from collections.abc import Callable

from simulators.machine import Machine, Values
from simulators.opcua.values import Shown, State

DI = """
type 1001 TopologyElementType : ua:BaseObjectType
type 15063 ComponentType : TopologyElementType
  O Manufacturer property ua:LocalizedText
  O Model property ua:LocalizedText
  O ProductCode property ua:String
  O SerialNumber property ua:String
  O ComponentName property ua:LocalizedText
type 1005 FunctionalGroupType : ua:FolderType
"""

MACHINERY = """
type 1004 MachineryItemIdentificationType : di:FunctionalGroupType
  M di:Manufacturer property ua:LocalizedText
  M di:SerialNumber property ua:String
  O di:ProductInstanceUri property ua:String
  O di:Model property ua:LocalizedText
  O di:ProductCode property ua:String
  O di:DeviceClass property ua:String
  O di:SoftwareRevision property ua:String
  O di:AssetId property ua:String
  O di:ComponentName property ua:LocalizedText
  O di:ManufacturerUri property ua:String
  O YearOfConstruction property ua:UInt16
type 1012 MachineIdentificationType : MachineryItemIdentificationType
  M di:ProductInstanceUri property ua:String
  O Location property ua:String
type 1002 MachineryItemState_StateMachineType : ua:FiniteStateMachineType
  M ua:CurrentState variable ua:LocalizedText
    M ua:Id property ua:NodeId
    O ua:Number property ua:UInt32
  state 0 5005 NotAvailable
  state 1 5004 OutOfService
  state 2 5007 NotExecuting
  state 3 5006 Executing
type 1008 MachineryOperationModeStateMachineType : ua:FiniteStateMachineType
  M ua:CurrentState variable ua:LocalizedText
    M ua:Id property ua:NodeId
    O ua:Number property ua:UInt32
  state 0 5024 None
  state 1 5025 Maintenance
  state 2 5027 Setup
  state 3 5026 Processing
type 1009 MachineryOperationCounterType : di:FunctionalGroupType
  O di:PowerOnDuration property ua:Duration
  O di:OperationDuration property ua:Duration
  O di:OperationCycleCounter property ua:UInt32
"""

Show = Callable[[Machine, Values], dict[str, Shown]]
"""What a machine with these values shows, by path below its own node."""


def identification(machine: Machine, *, model: str, code: str) -> dict[str, Shown]:
    """The nameplate. ProductInstanceUri is globally unique (40001-1, 8.2): the maker's address and the serial number."""
    serial = f"SIM-{machine.equipment.upper()}"
    stem = "Identification"
    return {
        f"{stem}/ProductInstanceUri": f"urn:chejian.example:{code.lower()}:{serial.lower()}", f"{stem}/Manufacturer": "Chejian Simulated Works",
        f"{stem}/SerialNumber": serial, f"{stem}/Model": model, f"{stem}/ProductCode": code, f"{stem}/DeviceClass": machine.kind,
        f"{stem}/ComponentName": machine.equipment, f"{stem}/YearOfConstruction": 2024, f"{stem}/SoftwareRevision": "1.0",
    }


def building_blocks(stem: str, values: Values) -> dict[str, Shown]:
    """Item state and operation mode below this path; a machine whose controller does not say its mode has none (0)."""
    return {
        **state(f"{stem}/MachineryItemState", int(values["item_state"])),
        **state(f"{stem}/MachineryOperationMode", int(values.get("operation_mode", 0))),
    }


def state(path: str, number: int) -> dict[str, Shown]:
    """The three nodes that say which state a machine is in; the builder knows the names and NodeIds from the type."""
    return {f"{path}/CurrentState": State(number, "text"), f"{path}/CurrentState/Id": State(number, "id"), f"{path}/CurrentState/Number": number}
