"""Un control mínimo, en sus dos archivos, que usa todas las piezas de la base. Solo para las pruebas."""

from helpers.plots import new_figure
from helpers.widgets.base import Control, figure_picture


class MiniControl(Control):
    """Una recta con su pendiente y una imagen de dos píxeles."""

    title = "Control mínimo"

    def __init__(self, slope=0.5, noise=False):
        super().__init__({"slope": slope, "noise": noise, "name": "ñandú «</script>»"})

    @classmethod
    def clean_state(cls, state):
        if state["slope"] not in (0.1, 0.5, 2):
            raise ValueError(f"La pendiente tiene que ser 0.1, 0.5 o 2, y es {state['slope']}.")
        return {"slope": state["slope"], "noise": bool(state["noise"]), "name": str(state["name"])}

    @classmethod
    def data(cls):
        return {"pixels": [0, 255], "text": "<!-- </script>"}

    def picture(self):
        figure, axes = new_figure(alt=f"Una recta de pendiente {self.state['slope']}", height=2)
        axes.plot([0, 1], [0, self.state["slope"]])
        return figure_picture(figure)

    def caption(self):
        return f"Pendiente {self.state['slope']}."

    def summary(self):
        return f"pendiente {self.state['slope']}"
