"""Un Firefox sin ventana para las pruebas, manejado con Marionette, el protocolo que lleva dentro.

No hace falta geckodriver, que Debian no tiene, ni `marionette-driver`, que no funciona en Python 3.13: el protocolo son
listas de JSON por una conexión local (`[0, número, orden, argumentos]`), cada una con su tamaño delante.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import time

FIREFOX_NAMES = ("firefox-esr", "firefox")
# Sin esto, Firefox busca por su cuenta servidores ajenos a la prueba.
PREFERENCES = {
    "marionette.port": 0,  # el que esté libre: lo escribe en su perfil
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "data:,",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    # En Linux, como en los demás sistemas, el tabulador pasa por todo lo que se puede enfocar.
    "accessibility.tabfocus": 7,
}
# Las teclas especiales, como las numera WebDriver.
KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Space": " ",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
}

# Apunta todo lo que pide una página, y también sus Workers; no lo que pide el propio Firefox.
_WATCH = """
globalThis.asked = [];
globalThis.watcher = {
  observe(subject) {
    const channel = subject.QueryInterface(Ci.nsIHttpChannel);
    if (!channel.loadInfo.triggeringPrincipal.isSystemPrincipal) asked.push(channel.URI.spec);
  },
};
Services.obs.addObserver(watcher, "http-on-modify-request");
"""
_ERRORS = """
return Services.console.getMessageArray().flatMap((message) => {
  if (!(message instanceof Ci.nsIScriptError)) return [];
  return /^(chrome|resource|moz-extension):/.test(message.sourceName) ? [] : [message.message];
});
"""
# Lo que escribe console.*: lo guarda el proceso de la página.
_CALLS = """
return Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage).getEvents()
  .filter((event) => !/^(chrome|resource|moz-extension):/.test(event.filename))
  .map((event) => `${event.level}: ${[...(event.arguments ?? [])].map(String).join(" ")}`);
"""
_FORGET = 'Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage).clearEvents();'


def find_firefox() -> str:
    """Ruta del Firefox del sistema.

    Lanza:
        RuntimeError: si no está; dice cómo instalarlo.
    """
    for name in FIREFOX_NAMES:
        if path := shutil.which(name):
            return path
    raise RuntimeError(
        "Falta Firefox, que estas pruebas abren de verdad. Instálalo con «tests/navegadores.sh firefox» "
        "(en Debian: sudo apt install firefox-esr)."
    )


class Marionette:
    """Una conexión con Firefox: `send(orden, argumentos)` espera y devuelve la respuesta."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=150)
        self._stream = self._socket.makefile("rb")
        self._count = 0
        self._receive()  # el saludo

    def _receive(self):
        size = b""
        while (letter := self._stream.read(1)) != b":":
            if not letter:
                raise ConnectionError("Firefox cerró la conexión")
            size += letter
        return json.loads(self._stream.read(int(size)))

    def send(self, command, **parameters):
        """Lanza:
        RuntimeError: si Firefox responde con un error.
        """
        self._count += 1
        message = json.dumps([0, self._count, command, parameters]).encode("utf-8")
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        if error:
            raise RuntimeError(f"{command}: {error['error']}: {error['message']}")
        return result

    def close(self):
        self._stream.close()
        self._socket.close()


class FirefoxDriver:
    """Maneja la página abierta en Firefox; entiende lo mismo que `PlaywrightDriver`."""

    def __init__(self, marionette):
        self._marionette = marionette
        self._base = ""
        self._chrome(_WATCH)

    def _script(self, script, *arguments, command="ExecuteScript", sandbox="default"):
        options = {"args": list(arguments), "sandbox": sandbox, "newSandbox": False}
        return self._marionette.send(f"WebDriver:{command}", script=script, **options)["value"]

    def _chrome(self, script):
        """Ejecuta un programa con los permisos del propio Firefox."""
        self._marionette.send("Marionette:SetContext", value="chrome")
        try:
            return self._script(script, sandbox="system")
        finally:
            self._marionette.send("Marionette:SetContext", value="content")

    def open(self, url, base=None):
        """Abre una página y olvida lo que dijeron las anteriores. `base` es el principio de lo que puede pedir."""
        self._base = base or url
        self._script(_FORGET, sandbox="system")
        self._marionette.send("WebDriver:Navigate", url="about:blank")
        self._script(_FORGET, sandbox="system")
        self._chrome("Services.console.reset(); asked.length = 0;")
        self._marionette.send("WebDriver:Navigate", url=url)

    def run(self, function, *arguments):
        """Ejecuta una función en la página y devuelve lo que da."""
        return self._script(f"return ({function})(...arguments)", *arguments)

    def run_async(self, function, *arguments):
        """Lo mismo, con una función asíncrona."""
        script = (
            "const done = arguments[arguments.length - 1];"
            f"({function})(...[...arguments].slice(0, -1)).then(done, (error) => done({{ failure: String(error) }}));"
        )
        return self._script(script, *arguments, command="ExecuteAsyncScript")

    def press(self, key):
        """Pulsa y suelta una tecla de `KEYS`."""
        strokes = [{"type": kind, "value": KEYS[key]} for kind in ("keyDown", "keyUp")]
        self._marionette.send(
            "WebDriver:PerformActions", actions=[{"type": "key", "id": "teclado", "actions": strokes}]
        )

    @property
    def faults(self):
        """Lo que la página ha escrito en la consola y lo que ha pedido fuera de `base`."""
        console = self._chrome(_ERRORS) + self._script(_CALLS, sandbox="system")
        return console + [
            url for url in self._chrome("return asked") if not url.startswith((self._base, "data:", "blob:"))
        ]


@contextlib.contextmanager
def firefox(folder):
    """Un Firefox con su perfil en `folder`, listo para abrir páginas."""
    lines = "".join(
        f'user_pref("{name}", {str(value).lower() if not isinstance(value, str) else repr(value)});\n'
        for name, value in PREFERENCES.items()
    )
    (folder / "user.js").write_text(lines, encoding="utf-8")
    log = folder / "firefox.log"
    command = [
        find_firefox(),
        "-headless",
        "-no-remote",
        "-profile",
        str(folder),
        "-marionette",
        "-remote-allow-system-access",
    ]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            port = _active_port(process, folder / "MarionetteActivePort", log)
            with contextlib.closing(Marionette(port)) as marionette:
                capabilities = {"alwaysMatch": {"timeouts": {"script": 120_000, "pageLoad": 90_000}}}
                marionette.send("WebDriver:NewSession", capabilities=capabilities)
                yield FirefoxDriver(marionette)
                marionette.send("WebDriver:DeleteSession")
        finally:
            process.terminate()
            process.wait(30)


def _active_port(process, path, log):
    deadline = time.monotonic() + 90
    while not (path.exists() and path.read_text(encoding="utf-8").strip()):
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError(f"Firefox no arrancó:\n{log.read_text(encoding='utf-8')[-3000:]}")
        time.sleep(0.1)
    return int(path.read_text(encoding="utf-8"))
