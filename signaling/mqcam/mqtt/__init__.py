"""A broker session over MQTT 5: everything here speaks MQTT, nothing outside does.

Other rooms import from this package only, never from its modules. Who wants no more than an
address or a setting imports ``mqcam.broker``, which loads no MQTT library.
"""

from mqcam.broker import BrokerAddress, BrokerSettings, BrokerState, MqttTimings, Subscription
from mqcam.mqtt.delivery import FAILURE, NO_SUBSCRIBERS, PostOffice, Receipt
from mqcam.mqtt.session import MqttSession

__all__ = [
    "FAILURE",
    "NO_SUBSCRIBERS",
    "BrokerAddress",
    "BrokerSettings",
    "BrokerState",
    "MqttSession",
    "MqttTimings",
    "PostOffice",
    "Receipt",
    "Subscription",
]
