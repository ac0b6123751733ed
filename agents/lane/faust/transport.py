"""Faust's Kafka transport with the lane's consumer."""

from faust.transport.drivers import aiokafka as driver

from agents.lane.faust.consumer import BatchConsumer


class BatchTransport(driver.Transport):
    """Its scheme is none that Faust knows: an application is given the transport itself."""

    Consumer = BatchConsumer
