"""A method as it is prepared for inference, and its step, for those who test them directly."""

from ranet.config import InferenceConfig
from ranet.inference.network import Network, resolved


def prepared(network, **settings):
    return Network(network, resolved(InferenceConfig(**settings), network)).method


def marked(method, *marks):
    """The state after objects were marked in frames: pairs of image and masks."""
    state = method.new_state(marks[0][0])
    for image, masks in marks:
        state = method.add_objects(state, image, masks)
    return state


def stepped(method, state, image, probabilities):
    """The probabilities of a frame, from those of the frame before."""
    return method.step(state._replace(probabilities=probabilities), image)[1].probabilities
