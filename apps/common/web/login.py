"""Signing in, with a brake on guessing: failures are counted per address and name, and per address alone."""

from __future__ import annotations

import hashlib
import ipaddress

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from apps.common.auth import client_address

WINDOW_S = 300
MAX_PER_NAME = 5  # failures of one address at one name in a window: a person who forgot, not a machine
MAX_PER_ADDRESS = 25  # failures of one address at all names; a household may share one


def _counters(request: HttpRequest) -> dict[str, int]:
    """Cache keys and their limits. A name alone is never a key: strangers could lock a person out."""
    source = _network(client_address(request))
    name = hashlib.sha256(request.POST.get("username", "").lower().encode()).hexdigest()[:32]
    return {f"login:{source}:{name}": MAX_PER_NAME, f"login:{source}": MAX_PER_ADDRESS}


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network(f"{ip}/64", strict=False)).replace("/", "_")


def login_blocked(request: HttpRequest) -> bool:
    """True when there were too many failures."""
    return any(cache.get(key, 0) >= limit for key, limit in _counters(request).items())


def login_failed(request: HttpRequest) -> None:
    """Count one."""
    for key in _counters(request):
        if not cache.add(key, 1, timeout=WINDOW_S):
            cache.incr(key)


@method_decorator(never_cache, name="dispatch")
class SignIn(LoginView):
    """The login page. A blocked caller gets 429 and a sentence, whether the password was right or not."""

    template_name = "login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Brake first, then look at the password."""
        if login_blocked(request):
            context = self.get_context_data(form=AuthenticationForm(request), blocked=True)
            return self.render_to_response(context, status=429, headers={"Retry-After": str(WINDOW_S)})
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """A failure."""
        login_failed(self.request)
        return super().form_invalid(form)


def admin_login(request: HttpRequest) -> HttpResponse:
    """The admin's door is the same as everybody's, so that there is one brake. Who is signed in and still comes here may not enter."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect_to_login(request.GET.get("next", "/admin/"))
